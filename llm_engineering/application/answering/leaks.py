"""The system's part of a prompt does not belong into an answer: word-for-word runs of it are taken out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from llm_engineering.application.text.characters import SPACELESS

TAKEN_OUT = "(removed)"
_RUN = 8
_TOKEN = re.compile(rf"[{SPACELESS}]|[^\W_{SPACELESS}]+")


def _tokens(text: str) -> Iterator[tuple[str, int, int]]:
    return ((found[0].casefold(), found.start(), found.end()) for found in _TOKEN.finditer(text))


@dataclass
class Redactor:
    """Takes runs of eight or more words of a secret text out of another one, also while that is written."""

    secret: str
    leaked: bool = field(default=False, init=False)
    _held: str = field(default="", init=False)
    _runs: frozenset[tuple[str, ...]] = field(default=frozenset(), init=False)

    def __post_init__(self) -> None:
        words = [token for token, _, _ in _tokens(self.secret)]
        self._runs = frozenset(tuple(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1))

    def redacted(self, text: str) -> str:
        """Return the text without the runs."""
        spans = self._spans(text)
        self.leaked = self.leaked or bool(spans)
        for start, end in reversed(spans):
            text = text[:start] + TAKEN_OUT + text[end:]
        return text

    def feed(self, piece: str) -> str:
        """Take the next piece of a text; return what cannot be the beginning of a run any more."""
        self._held += piece
        tokens = list(_tokens(self._held))
        if len(tokens) <= _RUN:
            return ""
        cut = tokens[-_RUN][1]
        spans = self._spans(self._held)
        if spans and spans[-1][1] > cut:
            cut = spans[-1][0]  # the run may go on
        out, self._held = self._held[:cut], self._held[cut:]
        return self.redacted(out)

    def finish(self) -> str:
        """Return what was held back."""
        out, self._held = self._held, ""
        return self.redacted(out)

    def _spans(self, text: str) -> list[tuple[int, int]]:
        tokens = list(_tokens(text))
        spans: list[tuple[int, int]] = []
        for at in range(len(tokens) - _RUN + 1):
            if tuple(token for token, _, _ in tokens[at : at + _RUN]) in self._runs:
                start, end = tokens[at][1], tokens[at + _RUN - 1][2]
                if spans and start <= spans[-1][1]:
                    spans[-1] = (spans[-1][0], end)
                else:
                    spans.append((start, end))
        return spans

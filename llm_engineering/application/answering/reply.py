"""What a model replies: an answer with numbers, and below it the quotes that prove it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import zip_longest

from llm_engineering.application.answering.prompt_passages import HIDDEN

NO_ANSWER = "NO ANSWER"

_QUOTES = re.compile(r"^[\W_]*(?:verbatim )?quot(?:es?|ations?)[\W_]*$", re.IGNORECASE | re.MULTILINE)
_MAYBE_QUOTES = re.compile(r"[\W_]*(?:[a-z]{0,10} ?)?[a-z]{0,10}[\W_]*", re.IGNORECASE)
_NO_ANSWER = re.compile(r"[\W_]*no[ _-]?answer\b", re.IGNORECASE)
_NUMBERED = re.compile(r"^[^\S\n]*(?:[-*•][^\S\n]*)?\[(\d{1,4})\][^\S\n]*[:–—-]?[^\S\n]*", re.MULTILINE)
_INLINE = re.compile(r"[\"“„«「]([^\"“”„«»「」\n]{8,600})[\"”“»」][.,;:]?\s*\[(\d{1,4})\]")
_MARKS = " \t\r\n\"“”„«»「」'‘’"


@dataclass(frozen=True)
class Reply:
    """A reply, taken apart: `quotes` holds the quotes for each number, in order."""

    text: str
    quotes: Mapping[int, tuple[str, ...]]
    refused: bool = False


def parse_reply(raw: str) -> Reply:
    """Take a reply apart. A model that forgets the quotes, or writes them into its text, is understood, too.

    >>> parse_reply('It is free [1].\\nQUOTES\\n[1] "The course is free."').quotes
    {1: ('The course is free.',)}
    """
    raw = HIDDEN.sub("", raw)
    head = _QUOTES.search(raw)
    text, block = (raw[: head.start()], raw[head.end() :]) if head else (raw, "")
    quotes: dict[int, tuple[str, ...]] = {}
    found = list(_NUMBERED.finditer(block))
    for mark, following in zip_longest(found, found[1:]):
        quote = block[mark.end() : following.start() if following else len(block)].strip(_MARKS)
        quotes[int(mark[1])] = (*quotes.get(int(mark[1]), ()), *([quote] if quote else []))
    for quote, number in _INLINE.findall(text):
        quotes[int(number)] = (*quotes.get(int(number), ()), quote)
    return Reply(text.strip(), quotes, refused=bool(_NO_ANSWER.match(text)))


@dataclass
class AnswerPart:
    """Lets through what belongs to the answer while a reply is written: nothing of the quotes below it, nothing of a
    refusal."""

    _held: str = ""
    _begun: bool = field(default=False, init=False)
    _over: bool = field(default=False, init=False)

    def feed(self, piece: str) -> str:
        """Take the next piece of the reply and return what is certain to belong to the answer."""
        self._held += HIDDEN.sub("", piece)
        return self._next(last=False)

    def finish(self) -> str:
        """Return what was held back."""
        return self._next(last=True)

    def _next(self, *, last: bool) -> str:
        if self._over:
            return ""
        if not self._begun:
            if _NO_ANSWER.match(self._held):
                self._over = True
                return ""
            if len(self._held.lstrip()) < len(NO_ANSWER) + 4 and not last:
                return ""
            self._begun = True
        head = _QUOTES.search(self._held)
        # `$` also matches at the end of what is there so far: the line may go on.
        if head and (last or "\n" in self._held[head.end() :]):
            self._over = True
            return self._held[: head.start()]
        line = self._held.rfind("\n") + 1
        cut = line if not last and _MAYBE_QUOTES.fullmatch(self._held, line) else len(self._held)
        if head and not last:
            cut = min(cut, head.start())
        out, self._held = self._held[:cut], self._held[cut:]
        return out

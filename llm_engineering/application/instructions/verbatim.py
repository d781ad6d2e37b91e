"""Where a document says an extract, word for word. Only white space may differ."""

import re
from collections.abc import Iterator

from llm_engineering.application.answering.negations import negated
from llm_engineering.application.text.spans import Span

_AROUND = 32  # characters beside an extract in which a denial would belong to it


def locate(text: str, extract: str, near: Span) -> Span | None:
    """Return where a text says an extract within or across a passage, or None.

    It may not begin or end inside a word, nor leave out a denial that stands right beside it.

    >>> locate("Tea is hot.\\nIce is  cold.", "Ice is cold.", Span(12, 25))
    Span(start=12, end=25)
    """
    found = [span for span in _found(text, extract) if span.start < near.end and span.end > near.start]
    return min(found, key=lambda span: (abs(span.start - near.start), span.start), default=None)


def stands(text: str, extract: str, start: int, end: int) -> bool:
    """Tell whether a text says an extract at its place, white space aside."""
    return 0 <= start < end <= len(text) and text[start:end].split() == extract.split()


def _found(text: str, extract: str) -> Iterator[Span]:
    parts = extract.split()
    if not parts:
        return
    for match in re.finditer(r"\s+".join(map(re.escape, parts)), text):
        before, after = text[: match.start()][-_AROUND:], text[match.end() :][:_AROUND]
        cuts = (before[-1:].isalnum() and match[0][0].isalnum()) or (match[0][-1].isalnum() and after[:1].isalnum())
        if not cuts and not negated(before, after):
            yield Span(*match.span())

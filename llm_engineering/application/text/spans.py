"""Spans: half-open ranges of character offsets, and how to divide a text into lines and paragraphs."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_LINE_BREAK = re.compile(r"\r\n?|\n")
_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n)+")


class Span(NamedTuple):
    """The range [start, end) of a text, in characters."""

    start: int
    end: int


def trim(text: str, start: int, end: int) -> Span:
    """Return the span without the white space around it, but with the indentation of its first line.

    >>> trim("a\\n\\n  b\\n", 1, 7)
    Span(start=3, end=6)
    """
    first, last = start, end
    while first < last and text[first].isspace():
        first += 1
    while last > first and text[last - 1].isspace():
        last -= 1
    indented = first
    while indented > start and text[indented - 1] in " \t":
        indented -= 1
    at_line_start = indented == 0 or text[indented - 1] in "\r\n"
    return Span(indented if at_line_start and first < last else first, last)


def tile(starts: Iterable[int], start: int, end: int) -> Iterator[Span]:
    """Divide [start, end) before each of the ascending offsets. Offsets outside, or seen before, are ignored."""
    previous = start
    for offset in starts:
        if offset >= end:
            break
        if offset > previous:
            yield Span(previous, offset)
            previous = offset
    if previous < end:
        yield Span(previous, end)


def lines(text: str, start: int, end: int) -> Iterator[Span]:
    """Divide [start, end) into lines, each with its line break: \\n, \\r\\n or \\r."""
    return tile((match.end() for match in _LINE_BREAK.finditer(text, start, end)), start, end)


def paragraphs(text: str, start: int, end: int) -> Iterator[Span]:
    """Divide [start, end) at blank lines; the blank lines stay with the paragraph before them."""
    return tile((match.end() for match in _BLANK_LINES.finditer(text, start, end)), start, end)

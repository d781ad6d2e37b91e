"""What can be quoted of a passage: sentences; code blocks, tables and short lists as a whole."""

import re
from collections.abc import Iterator

from llm_engineering.application.text.sentences import sentence_spans
from llm_engineering.application.text.spans import Span, lines

_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
_ITEM = re.compile(r"[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]+\S")
_HEADING = re.compile(r"#{1,6}[ \t]")
_LONGEST_LIST = 700
_LONGEST_SENTENCE = 400


def units(text: str, start: int = 0) -> list[Span]:
    """Return the spans that can be quoted, in order, from an offset on. Headings are none.

    >>> [text[a:b] for text in ["# H\\nOne. Two.\\n\\n- a\\n- b"] for a, b in units(text)]
    ['One.', 'Two.', '- a\\n- b']
    """
    found: list[Span] = []
    for kind, first, last in _blocks(text, start):
        if kind == "prose":
            found += _sentences(text, first, last)
        elif kind == "list" and last - first > _LONGEST_LIST:
            found += sentence_spans(text, first, last)
        elif kind != "heading":
            found.append(_trimmed(text, first, last))
    return [span for span in found if span.end > span.start]


def _blocks(text: str, start: int) -> Iterator[tuple[str, int, int]]:
    kind, first, last, fence = "", start, start, ""
    for line in lines(text, start, len(text)):
        now, fence = _kind(text[line.start : line.end], kind, fence)
        if now != kind or now == "heading":
            if kind:
                yield kind, first, last
            first = line.start
        kind, last = now, line.end
        if kind == "code" and not fence:  # the fence is closed: whatever follows is another block
            yield kind, first, last
            kind, first = "", last
    if kind:
        yield kind, first, last


def _kind(line: str, before: str, fence: str) -> tuple[str, str]:
    """Return the kind of block that a line belongs to, and the fence that is open after it."""
    mark = _FENCE.match(line)
    if fence:
        closes = mark is not None and mark[1].startswith(fence) and not line.strip().strip(fence[0])
        return "code", "" if closes else fence
    if mark:
        return "code", mark[1]
    if not line.strip():
        return ("", "") if before in ("heading", "table", "list") else (before, "")
    if line.lstrip().startswith("|"):
        return "table", ""
    if _HEADING.match(line):
        return "heading", ""
    if _ITEM.match(line) or (before == "list" and line[:1] in " \t"):
        return "list", ""
    return "prose", ""


def _sentences(text: str, start: int, end: int) -> Iterator[Span]:
    """Yield the sentences; one without an end in sight is divided at its line breaks."""
    for span in sentence_spans(text, start, end):
        if span.end - span.start <= _LONGEST_SENTENCE:
            yield span
        else:
            yield from (_trimmed(text, *line) for line in lines(text, *span))


def _trimmed(text: str, start: int, end: int) -> Span:
    while start < end and text[start] in "\r\n":
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start, end)

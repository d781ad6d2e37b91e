"""What can be quoted of a passage: sentences; code blocks, tables and short lists as a whole; of source code, lines."""

import re
from collections.abc import Iterable, Iterator

from llm_engineering.application.text.sentences import sentence_spans
from llm_engineering.application.text.spans import Span, lines

_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
_ITEM = re.compile(r"[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]+\S")
_HEADING = re.compile(r"#{1,6}[ \t]")
_LONGEST_LIST = 700
_LONGEST_SENTENCE = 400
_LONGEST_CODE = 700
_PARAGRAPH = re.compile(r"(?:[^\n]*\S[^\n]*(?:\n|\Z))+")


def units(text: str, start: int = 0) -> Iterator[Span]:
    """Yield the spans that can be quoted, in order, from an offset on. Headings are none.

    >>> [text[a:b] for text in ["# H\\nOne. Two.\\n\\n- a\\n- b"] for a, b in units(text)]
    ['One.', 'Two.', '- a\\n- b']
    """
    for kind, first, last in _blocks(text, start):
        found: Iterable[Span] = ()
        if kind == "prose":
            found = _sentences(text, first, last)
        elif kind == "list" and last - first > _LONGEST_LIST:
            found = sentence_spans(text, first, last)
        elif kind != "heading":
            found = (_trimmed(text, first, last),)
        yield from (span for span in found if span.end > span.start)


def code_units(text: str) -> Iterator[Span]:
    """Yield the spans of source code that can be quoted: a short one as a whole, a longer one between blank lines.

    >>> list(code_units("def a():\\n    return 1\\n\\n"))
    [Span(start=0, end=21)]
    """
    whole = _trimmed(text, 0, len(text))
    if whole.end - whole.start <= _LONGEST_CODE:
        yield from (whole,) if whole.end > whole.start else ()
    else:
        yield from (_trimmed(text, *found.span()) for found in _PARAGRAPH.finditer(text))


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

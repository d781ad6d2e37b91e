"""Code in any language, by its indentation, blank lines and closing brackets."""

import re
from collections.abc import Iterator
from functools import partial

from llm_engineering.application.chunking.pieces import Context, Piece, flat_lines
from llm_engineering.application.text.spans import Span, lines, tile

# A line that goes on with the block before it, although it stands at the left again.
_CONTINUES = re.compile(
    r"\s*(?:[)}\]>{]|</|(?:else|elif|elsif|except|rescue|catch|finally|ensure|end|fi|done|then|do|begin)\b)"
)
_CLOSES = re.compile(r"\s*(?:[)}\]]+[;,)]*|end\b.*|fi|done|</.*>)\s*")
_INDENTATION = re.compile(r"[ \t]*")
_LONGEST_SCOPE = 80
_DEEPEST = 12


def indented_blocks(text: str, start: int, end: int, context: Context, indentation: int = 0) -> Iterator[Piece]:
    """Divide code into its blocks at an indentation, in columns.

    A block starts at a line that is indented no deeper, after a blank line, a deeper line or a closing bracket, so
    that comments and decorators stay with the definition below them.
    """
    starts = _block_starts(text, start, end, indentation)
    for first, last in tile(starts, start, end):
        yield Piece(first, last, context, partial(_inside, text, first, last, context), "section", atomic=True)


def _block_starts(text: str, start: int, end: int, indentation: int) -> Iterator[int]:
    after_gap = True
    for line in lines(text, start, end):
        width = _width(text, line)
        if width < 0 or width > indentation:
            after_gap = True
        else:
            content = text[line.start : min(line.end, line.start + 200)]
            if after_gap and not _CONTINUES.match(content):
                yield line.start
            after_gap = _CLOSES.fullmatch(content) is not None


def _inside(text: str, start: int, end: int, context: Context) -> Iterator[Piece]:
    """Divide a block into its head and the blocks inside it; a flat block into its lines."""
    outer: int | None = None
    head = Span(start, start)
    for line in lines(text, start, end):
        width = _width(text, line)
        if width < 0:
            continue
        if outer is not None and width > outer and len(context) < _DEEPEST:
            yield Piece(start, line.start, context, partial(flat_lines, text, start, line.start, context), leads=True)
            inner = (*context, _scope(text, head))
            yield from indented_blocks(text, line.start, end, inner, width)
            return
        outer, head = (width if outer is None else min(outer, width)), line
    yield from flat_lines(text, start, end, context)


def _scope(text: str, head: Span) -> str:
    """Return the head of a block as a context: `class Foo:` is `class Foo`."""
    return text[head.start : min(head.end, head.start + _LONGEST_SCOPE)].strip().rstrip("{:( ").strip()


def _width(text: str, line: Span) -> int:
    """Return the indentation of a line in columns (a tab goes to the next multiple of 8), or -1 if it is blank."""
    match = _INDENTATION.match(text, line.start, line.end)
    blanks = match[0] if match else ""
    if line.start + len(blanks) >= line.end or text[line.start + len(blanks)] in "\r\n":
        return -1
    return len(blanks.expandtabs(8)) if "\t" in blanks else len(blanks)

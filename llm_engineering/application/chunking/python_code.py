"""Python code by its syntax tree."""

import ast
import re
import warnings
from collections.abc import Iterator, Sequence

from llm_engineering.application.chunking.indented import indented_blocks
from llm_engineering.application.chunking.pieces import Context, Piece
from llm_engineering.application.text.spans import Span, lines

_DEFINITION = re.compile(r"^(?:async )?(?:def|class) \w+|^(?:from [\w.]+ )?import \w", re.MULTILINE)
# The parser joins the parts of `import a.b.c` one by one: 50,000 of them take 7 seconds and 2.7 GB.
_LONG_NAME = re.compile(r"(?:\.[\s\\]*\w+[\s\\]*){200}")
# The syntax tree of a file takes some hundred times its size.
_LARGEST = 1_000_000


def python_blocks(text: str, context: Context) -> list[Piece] | None:
    """Return the top-level statements of a Python file, or None if it is none, does not parse or is too large.

    A definition takes the decorators and comments above it along. Classes and functions that are too long are divided
    into their statements, which are told the name around them.
    """
    if len(text) > _LARGEST or _LONG_NAME.search(text):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as an invalid escape sequence in the file
            module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    line_starts = [span.start for span in lines(text, 0, len(text))]
    return list(_statements(text, line_starts, module.body, Span(0, len(text)), context))


def looks_like_python(name: str, text: str) -> bool:
    """Tell by the file's name, or if that has no extension by its definitions and imports."""
    name = name.rsplit("/", 1)[-1].lower()
    return name.endswith((".py", ".pyi")) or ("." not in name and _DEFINITION.search(text[:20_000]) is not None)


def _statements(
    text: str, line_starts: Sequence[int], body: Sequence[ast.stmt], span: Span, context: Context
) -> Iterator[Piece]:
    """Divide [span) before each statement's first line, where the comments above it begin."""
    starts = [span.start]
    nodes: list[ast.stmt] = []
    end_line = 0
    for node in body:
        if not nodes or node.lineno > end_line:  # `a = 1; b = 2` is one piece
            if nodes:
                starts.append(_after_line(line_starts, end_line, span.end))
            nodes.append(node)
        end_line = max(end_line, node.end_lineno or node.lineno)
    if not nodes:
        yield Piece(*span, context, lambda: indented_blocks(text, *span, context))
        return
    for node, start, end in zip(nodes, starts, [*starts[1:], span.end], strict=True):
        yield _statement(text, line_starts, node, Span(start, end), context)


def _statement(text: str, line_starts: Sequence[int], node: ast.stmt, span: Span, context: Context) -> Piece:
    if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return Piece(*span, context, lambda: indented_blocks(text, *span, context), atomic=True)
    return Piece(*span, context, lambda: _definition(text, line_starts, node, span, context), "section", True)


def _definition(
    text: str,
    line_starts: Sequence[int],
    node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef,
    span: Span,
    context: Context,
) -> Iterator[Piece]:
    """Divide a definition into its head and the statements of its body."""
    first_line = _first_line(node.body[0])
    while text[line_starts[first_line - 2] : line_starts[first_line - 1]].lstrip().startswith("#"):
        first_line -= 1  # a comment above the first statement
    first = line_starts[first_line - 1]
    if first_line <= node.lineno:  # all on one line
        yield from indented_blocks(text, *span, context)
        return
    yield Piece(span.start, first, context, lambda: indented_blocks(text, span.start, first, context), leads=True)
    yield from _statements(text, line_starts, node.body, Span(first, span.end), (*context, node.name))


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min(node.lineno, *(decorator.lineno for decorator in decorators), node.lineno)


def _after_line(line_starts: Sequence[int], line: int, end: int) -> int:
    return min(line_starts[line], end) if line < len(line_starts) else end

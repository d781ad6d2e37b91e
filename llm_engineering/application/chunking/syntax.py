"""Code by the syntax tree of tree-sitter, in nine languages, whole or broken."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from llm_engineering.application.chunking.indented import indented_blocks
from llm_engineering.application.chunking.languages import ProgrammingLanguage, parser_of
from llm_engineering.application.chunking.pieces import Bond, Context, Piece, flat_lines
from llm_engineering.application.chunking.syntax_names import BODIES, LEADING, is_definition, names_of
from llm_engineering.application.text.spans import Span

if TYPE_CHECKING:
    from tree_sitter import Node

# The tree of a file takes some fifty times its size.
_LARGEST = 2_000_000
# Deeper than people nest; below it, indentation decides.
_DEEPEST = 40


def syntax_blocks(text: str, language: ProgrammingLanguage, context: Context) -> Iterator[Piece] | None:
    """Return the top-level definitions and statements of a file as pieces; None if the file is too large to parse.

    A definition takes the comments, decorators and attributes above it along. One that is too long is divided into its
    head and its statements, which are told the names around them. What does not parse is divided all the same.
    """
    if len(text) > _LARGEST:
        return None
    source = text.encode("utf-8", "surrogatepass")
    root = parser_of(language).parse(source).root_node
    return _Tree(text, source).blocks(root.children, Span(0, len(text)), context, 0)


@dataclass(frozen=True, slots=True)
class _Group:
    """Nodes that stay together: those that begin on a line of their own, with what shares their lines."""

    start: int
    nodes: "list[Node]"


class _Tree:
    def __init__(self, text: str, source: bytes) -> None:
        self._text = text
        self._offsets = None if len(source) == len(text) else _offsets(text)

    def blocks(self, nodes: "Sequence[Node]", span: Span, context: Context, depth: int) -> Iterator[Piece]:
        """Divide a span before each node that begins a line."""
        yield from self._pieces(self._groups(nodes, span), span, context, depth)

    def _pieces(self, groups: list[_Group], span: Span, context: Context, depth: int) -> Iterator[Piece]:
        starts = [span.start, *(group.start for group in groups[1:]), span.end]
        for group, (start, end) in zip(groups, pairwise(starts), strict=True):
            divide = partial(self._inside, group.nodes, Span(start, end), context, depth + 1)
            bond: Bond = "section" if any(map(is_definition, group.nodes)) else "running"
            yield Piece(start, end, context, divide, bond, atomic=True)

    def _inside(self, nodes: "list[Node]", span: Span, context: Context, depth: int) -> Iterator[Piece]:
        """Divide what is too long: a definition into its head and its statements, anything else where lines begin."""
        inner = context
        if depth > _DEEPEST:
            yield from flat_lines(self._text, *span, context)
            return
        steps = 0
        while len(groups := self._groups(nodes, span)) < 2:
            steps += 1
            longest = max(nodes, key=lambda node: node.end_byte - node.start_byte, default=None)
            is_flat = longest is None or not longest.child_count or longest.start_point.row == longest.end_point.row
            if longest is None or is_flat or steps > _DEEPEST:
                yield from indented_blocks(self._text, *span, inner)
                return
            inner = (*inner, *(name for name in names_of(longest) if name != inner[-1]))
            nodes = [part for node in nodes for part in (_opened(node) if node == longest else [node])]
        first = groups[1].start
        head = partial(indented_blocks, self._text, span.start, first, context)
        yield Piece(span.start, first, context, head, leads=True)
        yield from self._pieces(groups[1:], Span(first, span.end), inner, depth)

    def _groups(self, nodes: "Sequence[Node]", span: Span) -> list[_Group]:
        """Put nodes together that share lines, and comments and the like with what they describe."""
        groups = [_Group(span.start, [])]
        end = -1
        for node in nodes:
            start = self._line_start(node, span)
            if start > groups[-1].start and node.is_named and start >= end and not self._described(groups[-1], node):
                groups.append(_Group(start, []))
            groups[-1].nodes.append(node)
            end = max(end, self._offset(node.end_byte))
        return groups

    def _described(self, group: _Group, node: "Node") -> bool:
        """Tell whether all of a group leads to this node: decorators, or comments without a blank line after them."""
        if not group.nodes or not all(before.type in LEADING for before in group.nodes):
            return False
        last = group.nodes[-1]
        between = self._text[self._offset(last.end_byte) : self._offset(node.start_byte)]
        return "comment" not in last.type or between.count("\n") + (last.end_point.column == 0) <= 1

    def _line_start(self, node: "Node", span: Span) -> int:
        """Return where the node's line begins if nothing else precedes it there, else the beginning of the span."""
        line = self._offset(node.start_byte)
        while line > span.start and self._text[line - 1] in " \t\f\r":
            line -= 1
        return line if line <= span.start or self._text[line - 1] == "\n" else span.start

    def _offset(self, byte: int) -> int:
        return byte if self._offsets is None else self._offsets[byte]


def _opened(node: "Node") -> "Iterator[Node]":
    """Yield the parts of a node, and instead of its body those of the body."""
    for child in node.children:
        if child.type in BODIES and child.child_count:
            yield from child.children
        else:
            yield child


def _offsets(text: str) -> "array[int]":
    """Return for each byte of a text in UTF-8, and for its end, the character that it is part of."""
    found = array("I")
    for position, character in enumerate(text):
        width = 1 if character < "\x80" else 2 if character < "\u0800" else 3 if character < "\U00010000" else 4
        found.extend([position] * width)
    found.append(len(text))
    return found

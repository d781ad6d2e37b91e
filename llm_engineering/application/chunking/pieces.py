"""What chunkers cut a document into: pieces that belong together, and what is in them if they are too long."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal
from zlib import crc32

from llm_engineering.application.text.characters import cluster_start
from llm_engineering.application.text.sentences import sentence_spans
from llm_engineering.application.text.spans import Span, lines, paragraphs

_WORD = re.compile(r"\S+\s*|\s+")
_LONGEST_WORD = 32
_SHORTEST_STRETCH = 4

Context = tuple[str, ...]

# running: text that flows on, such as a paragraph; its parts may fill up the passage before it.
# section: a unit of its own; it shares a passage only with its siblings, and only if all are small.
# group:   a section of sections; beyond the size up to which siblings are put together it is divided.
Bond = Literal["running", "section", "group"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A span that should not be cut, with a way to divide it if it must be. A piece without `divide` is cut anywhere.

    `context` are the headings (or the like) around the piece, outermost first. An `atomic` piece (a sentence, a code
    block) is only divided if it is too long alone. A piece that `leads`, such as a heading, goes with what follows it.
    """

    start: int
    end: int
    context: Context = ()
    divide: "Callable[[], Iterable[Piece]] | None" = None
    bond: Bond = "running"
    atomic: bool = False
    leads: bool = False

    @property
    def is_sealed(self) -> bool:
        """Whether its parts, once it is divided, stay among themselves."""
        return self.atomic or self.bond != "running"


# Yields the spans of the sentences of a text in [start, end).
Split = Callable[[str, int, int], Iterable[Span]]


def prose(text: str, start: int, end: int, context: Context, split: Split = sentence_spans) -> Iterator[Piece]:
    """Divide into paragraphs, those into sentences, and those into lines. A paragraph that ends in a colon leads."""
    for first, last in paragraphs(text, start, end):
        yield paragraph(text, first, last, context, split)


def paragraph(text: str, start: int, end: int, context: Context, split: Split = sentence_spans) -> Piece:
    """Return a paragraph as a piece made of sentences."""
    colon = text[max(start, end - 20) : end].rstrip().endswith((":", "："))
    return Piece(start, end, context, lambda: _sentences(text, start, end, context, split), leads=colon)


def flat_lines(text: str, start: int, end: int, context: Context) -> Iterator[Piece]:
    """Divide into lines."""
    for first, last in lines(text, start, end):
        yield Piece(first, last, context)


def words(text: str, piece: Piece) -> Iterator[Piece]:
    """Divide text that has no parts of its own before its words, and words of any length where a hash says so."""
    for match in _WORD.finditer(text, piece.start, piece.end):
        first = match.start()
        for offset in _seams(text, *match.span()):
            yield Piece(first, offset, piece.context)
            first = offset
        yield Piece(first, match.end(), piece.context)


def _seams(text: str, start: int, end: int) -> Iterator[int]:
    """Yield where to divide a long word: where the eight characters around say so, so that an edit moves few seams."""
    if end - start <= _LONGEST_WORD:
        return
    for offset in range(start + _SHORTEST_STRETCH, end - _SHORTEST_STRETCH):
        if offset - start < _SHORTEST_STRETCH:
            continue
        around = text[offset - 4 : offset + 4].encode("utf-8", "surrogatepass")
        is_seam = crc32(around) % 8 == 0 or offset - start >= _LONGEST_WORD
        if is_seam and cluster_start(text, start, offset) == offset:
            yield offset
            start = offset


def stretched(pieces: Iterable[Piece], end: int) -> Iterator[Piece]:
    """Let the last of the pieces, and the last of its own parts, reach to `end`."""
    *rest, last = pieces
    yield from rest
    divide = last.divide
    yield replace(last, end=end, divide=None if divide is None else lambda: stretched(divide(), end))


def _sentences(text: str, start: int, end: int, context: Context, split: Split) -> Iterator[Piece]:
    for first, last in split(text, start, end):
        yield Piece(first, last, context, _lines_of(text, first, last, context), atomic=True)


def _lines_of(text: str, start: int, end: int, context: Context) -> Callable[[], Iterable[Piece]] | None:
    if text.find("\n", start, end) < 0:
        return None
    return lambda: flat_lines(text, start, end, context)

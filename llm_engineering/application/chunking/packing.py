"""Pack pieces into passages that fit the window.

One pass with a stack: a piece joins the passage at hand, or starts the next one, or is divided if it is too long for
any. Each finished passage is counted by the embedder's own tokenizer; one that is too long after all gives its last
pieces back. Near-linear: the text is encoded about twice, whatever its shape.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from llm_engineering.application.chunking import passages
from llm_engineering.application.chunking.passages import Passage, closed
from llm_engineering.application.chunking.pieces import Piece
from llm_engineering.application.chunking.sizing import Sizer

# A text is shared out evenly over its passages only if it makes at most this many: further on, full passages are even.
_EVEN_PASSAGES = 4


@dataclass(frozen=True, slots=True)
class _Seal:
    """Stands in the stack after the parts of a sealed piece: no passage goes beyond it."""


class Packer:
    """Iterates over the passages that cover the root piece, in order.

    Args:
        root: the whole text.
        sizer: knows the text and the window.
        fill: running text is put together up to this many tokens.
        siblings: sections are put together with their siblings up to this many tokens.
    """

    def __init__(self, root: Piece, sizer: Sizer, *, fill: int, siblings: int) -> None:
        self._sizer = sizer
        self._fill = fill
        self._siblings = siblings
        self._stack: list[Iterator[Piece | _Seal]] = [iter([root])]
        self._frames: list[int] = []  # where the sealed pieces end that are being divided
        self._run: list[Piece] = []  # the passage at hand

    def __iter__(self) -> Iterator[Passage]:
        while self._stack:
            piece = next(self._stack[-1], None)
            if isinstance(piece, Piece):
                yield from self._place(piece)
            elif isinstance(piece, _Seal):
                yield from self._end_sealed()
            else:
                self._stack.pop()
                if not self._stack and self._run:
                    yield from self._emit(len(self._run))

    def _place(self, piece: Piece) -> Iterator[Passage]:
        """Put the piece into the run, or make way for it, or divide it, or cut it."""
        if self._run and self._joins(piece):
            self._run.append(piece)
            return
        fits_alone = self._sizer.fits(piece.start, piece.end, self._window_for(piece))
        is_unit = piece.is_sealed or piece.divide is None
        if (size := closed(self._run)) and (fits_alone or is_unit):
            self._push([piece])
            yield from self._emit(size)
        elif fits_alone and not self._run:
            self._run.append(piece)
        elif fits_alone and (piece.atomic or piece.divide is None):
            # The headings before it and the piece are too long together, and the piece shall stay whole.
            self._push([piece])
            yield from self._emit(len(self._run))
        elif piece.divide is not None:
            self._divide(piece, piece.divide())
        else:
            yield from self._cut(piece)

    def _window_for(self, piece: Piece) -> int:
        return min(self._sizer.room, self._siblings) if piece.bond == "group" else self._sizer.room

    def _joins(self, piece: Piece) -> bool:
        first = self._run[0]
        if not closed(self._run):  # only headings so far: rather than part from them, the context yields
            return self._sizer.fits(first.start, piece.end, self._window_for(piece))
        limit = self._sizer.room - self._sizer.context(first.context)[1]
        if piece.bond != "running":
            return self._sizer.fits(first.start, piece.end, min(limit, self._siblings))
        limit = min(limit, self._fill)
        return self._sizer.fits(first.start, piece.end, limit) and self._evens_out(first.start, piece.end, limit)

    def _evens_out(self, start: int, end: int, limit: int) -> bool:
        """Tell whether the run, extended to `end`, comes nearer to its even share of what is left than without."""
        last = self._frames[-1] if self._frames else end
        if last <= end or not self._sizer.fits(start, last, limit * _EVEN_PASSAGES):
            return True
        total = self._sizer.tokens(start, last)
        share = total / -(-total // limit)
        return self._sizer.tokens(start, end) + self._sizer.tokens(start, self._run[-1].end) <= 2 * share

    def _divide(self, piece: Piece, parts: Iterable[Piece]) -> None:
        if piece.is_sealed:
            self._push([_Seal()])
            self._frames.append(piece.end)
        self._push(parts)

    def _end_sealed(self) -> Iterator[Passage]:
        if size := closed(self._run):
            self._push([_Seal()])  # pieces that `_emit` gives back are still inside
            yield from self._emit(size)
        else:
            self._frames.pop()

    def _cut(self, piece: Piece) -> Iterator[Passage]:
        """Cut a piece that is too long and has no parts; the headings before it go with its beginning."""
        start, context = (self._run[0].start, self._run[0].context) if self._run else (piece.start, piece.context)
        passage = passages.of_beginning(self._sizer, start, piece.end, context)
        self._run = []
        rest = max(piece.start, passage.end)
        if passage.end < piece.start:  # the headings alone are too long
            self._push([replace(piece, start=passage.end)])
        elif rest < piece.end:
            self._push([replace(piece, start=rest)])
        if (whole := passages.trimmed(self._sizer, passage)) is not None:
            yield whole

    def _emit(self, size: int) -> Iterator[Passage]:
        """Turn the first pieces of the run into a passage. What does not fit after all goes back on the stack."""
        pieces, rest = self._run[:size], self._run[size:]
        self._run = []
        self._push(rest)
        passage, used = passages.of_pieces(self._sizer, pieces)
        self._push(pieces[max(used, 1) :])
        if passage is not None:
            yield passage
        elif not used and (parts := pieces[0].divide) is not None:
            self._divide(pieces[0], parts())
        elif not used:
            yield from self._cut(pieces[0])

    def _push(self, pieces: Iterable[Piece | _Seal]) -> None:
        self._stack.append(iter(pieces))

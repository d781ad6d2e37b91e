"""Pack pieces into passages that fit the window.

One pass with a stack: a piece joins the passage at hand, or starts the next one, or is divided if it is too long for
any. Where passages end is planned for the parts of a divided piece together, by what the text says there and not by
counting from the start, so that an edit leaves the passages around it as they were. Each finished passage is counted
by the embedder's own tokenizer; one that is too long after all gives its last pieces back. Near-linear: the text is
encoded about twice, whatever its shape.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

from llm_engineering.application.chunking import passages
from llm_engineering.application.chunking.passages import Passage, closed
from llm_engineering.application.chunking.pieces import Piece, words
from llm_engineering.application.chunking.sequences import END, End, Sequencer
from llm_engineering.application.chunking.sizing import Sizer


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
        self._sequencer = Sequencer(sizer, fill, siblings)
        self._stack: list[Iterator[Piece | End]] = [iter([root])]
        self._run: list[Piece] = []  # the passage at hand

    def __iter__(self) -> Iterator[Passage]:
        while self._stack:
            piece = next(self._stack[-1], None)
            if isinstance(piece, Piece):
                yield from self._place(piece)
            elif isinstance(piece, End):
                yield from self._end()
            else:
                self._stack.pop()
                if not self._stack and self._run:
                    yield from self._emit(len(self._run))

    def _place(self, piece: Piece) -> Iterator[Passage]:
        """Put the piece into the run, or make way for it, or divide it, or cut it."""
        if self._run and self._joins(piece):
            self._run.append(piece)
            return
        fits_alone = self._sizer.fits(piece.start, piece.end, self._sequencer.window_for(piece))
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
            yield from self._divide_words(piece)

    def _joins(self, piece: Piece) -> bool:
        first = self._run[0]
        if not closed(self._run):  # only headings so far: rather than part from them, the context yields
            return self._sizer.fits(first.start, piece.end, self._sequencer.window_for(piece))
        room = self._sizer.room - self._sizer.context(first.context)[1]
        return self._sizer.fits(first.start, piece.end, min(room, self._sequencer.limit(piece)))

    def _divide_words(self, piece: Piece) -> Iterator[Passage]:
        """Divide a piece that has no parts before its words; cut a word that is too long."""
        parts = words(self._sizer.text, piece)
        if (first := next(parts)).end < piece.end:
            self._divide(replace(piece, atomic=True), chain([first], parts))
        else:
            yield from self._cut(piece)

    def _divide(self, piece: Piece, parts: Iterable[Piece]) -> None:
        if not piece.is_sealed:
            self._push(parts)
            return
        begun = self._run[0].start if self._run else piece.start
        self._push([END])
        self._push(self._sequencer.sequence(parts, begun))

    def _end(self) -> Iterator[Passage]:
        if size := closed(self._run):
            self._push([END])  # pieces that `_emit` gives back stand before the end, too
            yield from self._emit(size)

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
            yield from self._divide_words(pieces[0])

    def _push(self, pieces: Iterable[Piece | End]) -> None:
        self._stack.append(iter(pieces))

"""The parts of a divided piece in one sequence, with the ends of its passages marked."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import NamedTuple

from llm_engineering.application.chunking.boundaries import Unit, boundaries
from llm_engineering.application.chunking.pieces import Piece, words
from llm_engineering.application.chunking.sizing import Sizer

# Running text of up to this share of a passage stays whole; what is longer may be divided between its parts.
_WHOLE_SHARE = 1 / 4
# A gap is known by what follows it: the unit, or at least this many characters, for a single word occurs often.
_SHORTEST_KEY = 32
_LONGEST_KEY = 2000
# So many units are held at once.
_SLAB = 4096


@dataclass(frozen=True, slots=True)
class End:
    """Stands where a passage ends: none goes beyond it."""


END = End()


class _Group(NamedTuple):
    """Pieces that stay together, and what decides where their passage ends."""

    pieces: list[Piece]
    unit: Unit


@dataclass(frozen=True, slots=True)
class Sequencer:
    """Lays the parts of a piece out and decides which of them share a passage. See `Packer` for the settings."""

    sizer: Sizer
    fill: int
    siblings: int

    def sequence(self, parts: Iterable[Piece], begun: int) -> Iterator[Piece | End]:
        """Yield the parts, those of long running text in its place, with an `End` between two passages.

        `begun` is where the headings start that are still to be placed before the first part. Boundaries are local, so
        they are settled slab by slab: a document may be one line of any length.
        """
        pending: list[_Group] = []
        enough = _SLAB
        for group in self._groups(parts, begun):
            pending.append(group)
            if len(pending) < enough:
                continue
            starts = boundaries([each.unit for each in pending])
            settled = _settled(pending, starts)
            yield from _marked(pending[:settled], starts)
            if settled:
                yield END
            pending = pending[settled:]
            enough = len(pending) + _SLAB
        yield from _marked(pending, boundaries([each.unit for each in pending]))

    def window_for(self, piece: Piece) -> int:
        """Return up to which size a piece is kept whole."""
        return min(self.sizer.room, self.siblings) if piece.bond == "group" else self.sizer.room

    def limit(self, piece: Piece) -> int:
        """Return up to which size a piece shares a passage with what stands before it."""
        return min(self.sizer.room, self.fill if piece.bond == "running" else self.siblings)

    def _groups(self, parts: Iterable[Piece], begun: int) -> Iterator["_Group"]:
        """Put pieces that lead together with what follows them."""
        pieces: list[Piece] = []
        depth = 0
        for piece, level in self._flat(parts, 0):
            if pieces and not (pieces[-1].leads and not self._is_divided(piece)):
                yield self._group(pieces, depth, begun)
                begun, pieces = pieces[-1].end, []
            depth = depth if pieces else level
            pieces.append(piece)
        if pieces:
            yield self._group(pieces, depth, begun)

    def _group(self, pieces: list[Piece], level: int, begun: int) -> "_Group":
        first, last = pieces[0], pieces[-1]
        room = self.sizer.room - max(self.sizer.context(context)[1] for context in {first.context, last.context})
        unit = Unit(
            self.sizer.weight(begun, last.end), min(room, self.limit(first)), (level, self._key(first.start, last.end))
        )
        return _Group(pieces, unit)

    def _flat(self, parts: Iterable[Piece], level: int) -> Iterator[tuple[Piece, int]]:
        """Yield the pieces that need not be divided for a good end of a passage, each with its depth."""
        for part in parts:
            if not self._is_divisible(part):
                yield part, level
            elif part.divide is None:
                yield from _as_one(part, level, ((word, level + 1) for word in words(self.sizer.text, part)))
            else:
                yield from _as_one(part, level, self._flat(part.divide(), level + 1))

    def _is_divisible(self, piece: Piece) -> bool:
        if piece.is_sealed:
            return False
        share = 1.0 if piece.divide is None else _WHOLE_SHARE
        return not self._is_whole(piece, int(self.limit(piece) * share))

    def _is_divided(self, piece: Piece) -> bool:
        return piece.is_sealed and not self._is_whole(piece, self.window_for(piece))

    def _is_whole(self, piece: Piece, size: int) -> bool:
        return self.sizer.fits(piece.start, piece.end, size)

    def _key(self, start: int, end: int) -> int:
        text = self.sizer.text[start : min(max(end, start + _SHORTEST_KEY), start + _LONGEST_KEY)]
        return int.from_bytes(blake2b(text.strip().encode("utf-8", "surrogatepass"), digest_size=8).digest())


def _settled(groups: Sequence[_Group], starts: Sequence[int]) -> int:
    """Return up to which boundary nothing that follows the groups can change anything: two passages before the end."""
    after, index = 0.0, len(groups)
    for start in reversed(starts):
        while index > start:
            index -= 1
            after += groups[index].unit.size
        if after >= 2 * groups[start].unit.limit:
            return start
    return 0


def _marked(groups: Sequence[_Group], starts: Iterable[int]) -> Iterator[Piece | End]:
    """Yield the pieces with an `End` before each group that begins a passage."""
    ends = set(starts)
    for index, group in enumerate(groups):
        if index in ends:
            yield END
        yield from group.pieces


def _as_one(whole: Piece, level: int, parts: Iterable[tuple[Piece, int]]) -> Iterator[tuple[Piece, int]]:
    """Let the first of the parts be as deep as the whole, and the last one lead if the whole does."""
    ahead: tuple[Piece, int] | None = None
    for piece, inside in parts:
        if ahead is not None:
            yield ahead
        ahead = piece, level if ahead is None else inside
    if ahead is not None:
        yield replace(ahead[0], leads=ahead[0].leads or whole.leads), ahead[1]

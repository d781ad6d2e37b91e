"""The payloads of found points, read when they are looked at.

A search finds a pool of candidates in the order of one method, and looks at the payloads of the best of them. Reading
those of all would take longer than finding them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

BLOCK = 5


class FoundPayloads:
    """Payloads of points in the order in which they were found; the first look at one reads those around it."""

    def __init__(self, count: int, read: Callable[[slice], Sequence[Mapping[str, object]]]) -> None:
        self._read = read
        self._blocks: list[Sequence[Mapping[str, object]] | None] = [None] * -(-count // BLOCK)

    def read(self) -> None:
        """Read all of them now."""
        for block in range(len(self._blocks)):
            self.of(block * BLOCK)

    def of(self, number: int) -> Mapping[str, object]:
        """Return the payload of the point that was found as the number-th, from 0."""
        block, place = divmod(number, BLOCK)
        read = self._blocks[block]
        if read is None:
            read = self._blocks[block] = self._read(slice(block * BLOCK, (block + 1) * BLOCK))
        return read[place]


class FoundPayload(Mapping[str, object]):
    """One of them. It can be looked at as long as the index is open."""

    __slots__ = ("_number", "_payloads")

    def __init__(self, payloads: FoundPayloads, number: int) -> None:
        self._payloads, self._number = payloads, number

    def __getitem__(self, name: str) -> object:
        return self._payloads.of(self._number)[name]

    def get(self, name: str, default: object = None) -> object:  # what is often missing need not raise first
        return self._payloads.of(self._number).get(name, default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._payloads.of(self._number))

    def __len__(self) -> int:
        return len(self._payloads.of(self._number))

    def __repr__(self) -> str:
        return repr(dict(self))

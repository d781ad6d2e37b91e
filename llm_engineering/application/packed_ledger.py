"""The ledger of an index version in little memory: some 170 bytes a chunk, a quarter of what Python's objects take."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from llm_engineering.domain.chunks import Point
from llm_engineering.domain.indexes import IndexedChunk

T = TypeVar("T")

# Ids as UTF-8 in one array, ascending and each of them once.
Ids = NDArray[Any]
_PAGE = 5_000


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger says of a point, without its id."""

    text_hash: str
    digest: str


class Ledger:
    """The chunks of a version, to be looked up by their ids."""

    def __init__(self, chunks: Iterable[IndexedChunk]) -> None:
        rows: list[NDArray[Any]] = []
        hashes: list[NDArray[Any]] = []
        for page in _pages(chunks):
            rows.append(_texts([chunk.chunk_id for chunk in page]))
            hashes.append(np.stack([_texts([c.text_hash for c in page]), _texts([c.digest for c in page])], axis=1))
        ids = np.concatenate(rows) if rows else _texts([])
        self.ids, places = np.unique(ids, return_index=True)
        self._hashes = np.concatenate(hashes)[places] if hashes else np.empty((0, 2), dtype="S1")

    def chunks(self, points: Sequence[Point]) -> Iterator[Known | None]:
        """Yield what is known of each point; None for one that the ledger does not have."""
        wanted = _texts([point.id for point in points])
        places = np.searchsorted(self.ids, wanted)
        for name, place in zip(wanted, places, strict=True):
            if place < len(self.ids) and self.ids[place] == name:
                text_hash, digest = self._hashes[place]
                yield Known(text_hash.decode(), digest.decode())
            else:
                yield None


def packed(ids: Iterable[str]) -> Ids:
    """Return ids as an array."""
    return merged([np.unique(_texts(page)) for page in _pages(ids)])


def merged(parts: Sequence[Ids]) -> Ids:
    """Return the ids of all parts as one array."""
    return np.unique(np.concatenate(parts)) if parts else _texts([])


def absent(ids: Ids, others: Ids) -> Ids:
    """Return the ids that are not among the others."""
    return np.setdiff1d(ids, others, assume_unique=True)


def unpacked(ids: Ids) -> set[str]:
    """Return the ids as Python's own."""
    return {name.decode() for name in ids}


def _texts(texts: Sequence[str]) -> NDArray[Any]:
    return np.array([text.encode() for text in texts], dtype=bytes)


def _pages(rows: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(rows)
    while page := list(islice(remaining, _PAGE)):
        yield page

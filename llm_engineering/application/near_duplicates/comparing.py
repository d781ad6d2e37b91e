"""The comparison itself: signatures say which documents may be alike, and only those are compared in full."""

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from llm_engineering.application.datasets.likeness import bands_of, mixed
from llm_engineering.application.near_duplicates.settings import NearDuplicates
from llm_engineering.application.near_duplicates.signatures import Signatures
from llm_engineering.domain.ports import Warehouse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Of the documents that share a band with one, so many are compared with it in full, the most alike first.
_COMPARED = 8
# Signatures tell the likeness to within about 0.03; a pair that looks this much too different is not compared.
_DOUBT = 0.15


class Comparing:
    """One pass over the documents, each compared with what was kept before it."""

    def __init__(self, signatures: Signatures, settings: NearDuplicates, warehouse: Warehouse) -> None:
        self.signatures = signatures
        self.settings = settings
        self.warehouse = warehouse
        self.used: dict[tuple[str, str], float] = {}
        # The sequences of what is compared again and again.
        self._keys_of = lru_cache(maxsize=64)(self._read)

    def run(self, ids: Sequence[str]) -> dict[str, tuple[str, float]]:
        """Return the near-duplicates among documents in this order: id → (the kept one, how alike)."""
        place = {one: row for row, one in enumerate(self.signatures.ids)}
        rows = [place[one] for one in ids if one in place]
        kept: dict[tuple[int, int], list[int]] = {}
        duplicates: dict[str, tuple[str, float]] = {}
        for row, bands in zip(rows, self._shared_bands(rows), strict=True):
            best = self._best(row, {other for band in bands for other in kept.get(band, ())})
            if best is not None:
                duplicates[self.signatures.ids[row]] = (self.signatures.ids[best[0]], best[1])
                continue
            for band in bands:
                kept.setdefault(band, []).append(row)
        del self._keys_of  # it refers to this object, which would stay until the collector of cycles comes by
        return duplicates

    def _shared_bands(self, rows: Sequence[int]) -> list[list[tuple[int, int]]]:
        """Return, for each row, the bands (number, content) of its signature that another row has too."""
        import numpy as np

        shared: list[list[tuple[int, int]]] = [[] for _ in rows]
        signatures, groups = self.signatures.rows, self.signatures.groups
        if signatures is None or groups is None or not rows:
            return shared
        # A document without words has an empty signature and is like no other.
        with_words = np.asarray(signatures.any(axis=1))[rows]
        bands, width = bands_of(self.settings.threshold)
        for number in range(bands):
            content = groups[rows]
            for column in range(number * width, (number + 1) * width):
                content = mixed(content ^ signatures[rows, column].astype(np.uint64))
            _, inverse, counts = np.unique(content, return_inverse=True, return_counts=True)
            for at in np.flatnonzero((counts[inverse] > 1) & with_words):
                shared[at].append((number, int(content[at])))
        return shared

    def _best(self, row: int, others: Collection[int]) -> tuple[int, float] | None:
        """Return the most alike of the others, if it is alike enough; of equal ones the first in the order."""
        if not others or self.signatures.rows is None or self.signatures.groups is None:
            return None
        signatures, groups = self.signatures.rows, self.signatures.groups
        guesses = [
            (float((signatures[row] == signatures[other]).mean()), other)
            for other in others
            if groups[other] == groups[row]
        ]
        likely = sorted((pair for pair in guesses if pair[0] >= self.settings.threshold - _DOUBT), reverse=True)
        found = [(self._likeness(row, other), other) for _, other in likely[:_COMPARED]]
        good = [pair for pair in found if pair[0] >= self.settings.threshold]
        if not good:
            return None
        similarity, other = min(good, key=lambda pair: (-pair[0], self.signatures.ids[pair[1]]))
        return other, similarity

    def _likeness(self, one: int, other: int) -> float:
        """Return the Jaccard similarity of the word sequences of two documents, from memory if it is known."""
        pair = (self.signatures.hashes[one], self.signatures.hashes[other])
        if pair not in self.used:
            known = self.signatures.likenesses.get(pair)
            self.used[pair] = self._measured(one, other) if known is None else known
        return self.used[pair]

    def _measured(self, one: int, other: int) -> float:
        import numpy as np

        left, right = self._keys_of(self.signatures.ids[one]), self._keys_of(self.signatures.ids[other])
        common = len(np.intersect1d(left, right, assume_unique=True))
        total = len(left) + len(right) - common
        return round(common / total, 4) if total else 0.0

    def _read(self, id: str) -> "NDArray[np.uint64]":
        import numpy as np

        document = next(iter(self.warehouse.documents([id])), None)
        return np.empty(0, dtype=np.uint64) if document is None else self.settings.keys(document)

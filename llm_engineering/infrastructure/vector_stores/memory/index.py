"""Search by full scan over points in memory, with the scores that Qdrant gives."""

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from math import log
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from llm_engineering.domain.chunks import Point, SparseVector, Vector
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.queries import Filter, ScoredPoint
from llm_engineering.infrastructure.vector_stores.conditions.matching import matches
from llm_engineering.infrastructure.vector_stores.points import check_dense, check_points, check_sparse
from llm_engineering.infrastructure.vector_stores.versions import READ_ONLY

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.memory.store import Version

INDEXED = ("uri", "source", "document_id")


class MemoryIndex:
    """The points of one version: a working copy for a writer, the published ones for a reader."""

    bitwise = False

    def __init__(self, manifest: IndexManifest, points: Mapping[str, Point], target: "Version | None" = None) -> None:
        self.manifest = manifest
        self.unflushed = False
        self.interrupted = False
        self._points = dict(points)
        self._target = target

    def upsert(self, points: Sequence[Point]) -> None:
        self._start_writing()
        check_points(points, self.manifest.model.dimension)
        for point in points:
            self._points[point.id] = Point(point.id, unit(point.dense), point.sparse, dict(point.payload))

    def delete(self, ids: Collection[str]) -> None:
        self._start_writing()
        for known in ids:
            self._points.pop(known, None)

    def flush(self) -> None:
        if self._target is None:
            raise BackendError(READ_ONLY)
        self._target.points = dict(self._points)
        self.unflushed = False

    def count(self, filter: Filter | None = None) -> int:
        return len(self._matching(filter))

    def ids(self) -> Iterator[str]:
        yield from sorted(self._points)

    def get(self, ids: Collection[str]) -> Mapping[str, Point]:
        return {known: self._points[known] for known in ids if known in self._points}

    def scan(self) -> Iterator[Point]:
        yield from (self._points[known] for known in sorted(self._points))

    def payloads(self, fields: Collection[str], filter: Filter | None = None) -> Iterator[Mapping[str, object]]:  # noqa: ARG002 - all of them are at hand
        yield from (point.payload for point in self._matching(filter))

    def payload_indexes(self) -> Collection[str]:
        return tuple(dict.fromkeys((*INDEXED, *self.manifest.payload_indexes)))

    def search_dense(self, vector: Vector, limit: int, filter: Filter | None = None) -> Sequence[ScoredPoint]:
        check_dense(vector, self.manifest.model.dimension, "the query")
        found = self._matching(filter)
        if not found:
            return []
        matrix = np.stack([np.frombuffer(point.dense, dtype=np.float32) for point in found])
        scores = matrix @ np.frombuffer(unit(vector), dtype=np.float32)
        return best(zip(found, scores.tolist(), strict=True), limit)

    def search_sparse(self, vector: SparseVector, limit: int, filter: Filter | None = None) -> Sequence[ScoredPoint]:
        check_sparse(vector, "the query")
        weights = self._weighted(vector)
        scored = [(point, overlap(point.sparse, weights)) for point in self._matching(filter)]
        return best([(point, score) for point, score in scored if score > 0.0], limit)

    def close(self) -> None:
        self._points = {}

    def _start_writing(self) -> None:
        if self._target is None:
            raise BackendError(READ_ONLY)
        self.unflushed = True

    def _matching(self, filter: Filter | None) -> list[Point]:
        return [point for point in self._points.values() if matches(point.payload, filter)]

    def _weighted(self, query: SparseVector) -> dict[int, float]:
        """Multiply the query by Qdrant's inverse document frequency, over all points that have a sparse vector."""
        sparse = [point.sparse.indices for point in self._points.values() if point.sparse.indices]
        wanted = set(query.indices)
        holders = Counter(index for indices in sparse for index in indices if index in wanted)
        return {
            index: value * log(1 + (len(sparse) - holders[index] + 0.5) / (holders[index] + 0.5))
            for index, value in zip(query.indices, query.values, strict=True)
        }


def unit(vector: Vector) -> Vector:
    """Return the vector scaled to length 1."""
    components: NDArray[np.float32] = np.frombuffer(vector, dtype=np.float32)
    return array("f", (components / np.linalg.norm(components)).astype(np.float32).tobytes())


def overlap(document: SparseVector, weights: Mapping[int, float]) -> float:
    """Return the dot product of a document and a weighted query."""
    return sum(
        weights[index] * value
        for index, value in zip(document.indices, document.values, strict=True)
        if index in weights
    )


def best(scored: Iterable[tuple[Point, float]], limit: int) -> list[ScoredPoint]:
    """Return the best points, ties by id."""
    ordered = sorted(scored, key=lambda pair: (-pair[1], pair[0].id))
    return [ScoredPoint(point.id, score, point.payload) for point, score in ordered[:limit]]

"""One index version in a Qdrant Edge shard.

A shard without a write-ahead log takes no lock of its own, so several processes can open it, and is durable at `flush`.
Its errors are bare `Exception`s; panics of the engine derive from `BaseException`. Both become BackendError here.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np
import qdrant_edge as qdrant
from loguru import logger

from llm_engineering.domain.chunks import Point, SparseVector, Vector
from llm_engineering.domain.errors import BackendError, LLMEngineeringError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.queries import Filter, ScoredPoint
from llm_engineering.infrastructure.vector_stores.edge_terms import (
    domain_point,
    engine_filter,
    index_kind,
    payload_path,
    shard_config,
    stored_point,
    stored_sparse,
)
from llm_engineering.infrastructure.vector_stores.matching import field_value
from llm_engineering.infrastructure.vector_stores.points import check_dense, check_points, check_sparse, known_ids
from llm_engineering.infrastructure.vector_stores.qdrant_edge import QdrantEdge

INDEXED = ("uri", "source", "document_id")
BATCH = 1_000


class EdgeIndex:
    """A shard with the named vectors `dense` (cosine) and `sparse` (inverse document frequency)."""

    def __init__(self, shard: qdrant.EdgeShard, manifest: IndexManifest, folder: Path, *, writable: bool) -> None:
        self.manifest = manifest
        self.unflushed = False
        self._shard = shard
        self._folder = folder
        self._writable = writable
        self._indexed = set(self.payload_indexes())
        if writable:
            self._index_fields(dict.fromkeys(INDEXED, qdrant.PayloadSchemaType.Keyword))

    @classmethod
    def create(cls, folder: Path, manifest: IndexManifest, spec: QdrantEdge) -> "EdgeIndex":
        """Create an empty shard in a new folder."""
        path = folder / "shard"
        path.mkdir(parents=True)
        with engine_errors(folder):
            shard = qdrant.EdgeShard.create(str(path), config_of(manifest, spec))
        return cls(shard, manifest, folder, writable=True)

    @classmethod
    def load(cls, folder: Path, manifest: IndexManifest, spec: QdrantEdge, *, writable: bool) -> "EdgeIndex":
        """Open an existing shard."""
        with engine_errors(folder):
            shard = qdrant.EdgeShard.load(str(folder / "shard"), config_of(manifest, spec))
        return cls(shard, manifest, folder, writable=writable)

    def upsert(self, points: Sequence[Point]) -> None:
        self._start_writing()
        check_points(points, self.manifest.model.dimension)
        self._index_fields(self._kinds_of_new_fields(points))
        for start in range(0, len(points), BATCH):
            with engine_errors(self._folder):
                batch = [stored_point(point) for point in points[start : start + BATCH]]
                self._shard.update(qdrant.UpdateOperation.upsert_points(batch))

    def delete(self, ids: Collection[str]) -> None:
        self._start_writing()
        known = cast("list[qdrant.PointId]", known_ids(ids))
        with engine_errors(self._folder):
            self._shard.update(qdrant.UpdateOperation.delete_points(known))

    def flush(self) -> None:
        self._start_writing()
        # A field that no point has had so far: text is the likeliest, and an index of another kind still finds it.
        pending = [name for name in self.manifest.payload_indexes if name not in self._indexed]
        self._index_fields(dict.fromkeys(pending, qdrant.PayloadSchemaType.Keyword))
        with engine_errors(self._folder):
            self._shard.flush()
        self.unflushed = False

    def optimize(self) -> None:
        """Merge segments, drop deleted points, build the HNSW graph where the index is large enough; then flush."""
        logger.debug("optimizing the index in {}: {} points", self._folder, self.count())
        with engine_errors(self._folder):
            self._shard.optimize()
        self.flush()

    def count(self, filter: Filter | None = None) -> int:
        with engine_errors(self._folder):
            return self._shard.count(qdrant.CountRequest(exact=True, filter=engine_filter(filter)))

    def ids(self) -> Iterator[str]:
        offset: qdrant.PointId | None = None
        while True:
            with engine_errors(self._folder):
                request = qdrant.ScrollRequest(offset=offset, limit=BATCH, with_payload=False, with_vector=False)
                records, offset = self._shard.scroll(request)
            yield from (str(record.id) for record in records)
            if offset is None:
                return

    def get(self, ids: Collection[str]) -> Mapping[str, Point]:
        known = cast("list[qdrant.PointId]", known_ids(ids))
        points: dict[str, Point] = {}
        for start in range(0, len(known), BATCH):
            with engine_errors(self._folder):
                records = self._shard.retrieve(known[start : start + BATCH], with_payload=True, with_vector=True)
            points |= {str(record.id): domain_point(record) for record in records}
        return points

    def payload_indexes(self) -> Collection[str]:
        with engine_errors(self._folder):
            paths = self._shard.info().payload_schema
        names = {payload_path(name): name for name in (*INDEXED, *self.manifest.payload_indexes)}
        return tuple(names.get(path, path) for path in paths)

    def search_dense(self, vector: Vector, limit: int, filter: Filter | None = None) -> Sequence[ScoredPoint]:
        check_dense(vector, self.manifest.model.dimension, "the query")
        query = cast("list[float]", np.frombuffer(vector, dtype=np.float32))
        return self._search(query, "dense", limit, filter)

    def search_sparse(self, vector: SparseVector, limit: int, filter: Filter | None = None) -> Sequence[ScoredPoint]:
        check_sparse(vector, "the query")
        return self._search(stored_sparse(vector), "sparse", limit, filter)

    def close(self) -> None:
        with engine_errors(self._folder):
            self._shard.close()

    def _search(
        self, vector: "qdrant.NamedVector", using: str, limit: int, filter: Filter | None
    ) -> Sequence[ScoredPoint]:
        with engine_errors(self._folder):
            query = qdrant.Query.Nearest(vector, using=using)
            found = self._shard.query(
                qdrant.QueryRequest(limit=limit, query=query, filter=engine_filter(filter), with_payload=True)
            )
        return [ScoredPoint(str(point.id), point.score, point.payload or {}) for point in found]

    def _start_writing(self) -> None:
        if not self._writable:
            raise BackendError("this index was opened for reading; use VectorStore.write to change it")
        self.unflushed = True

    def _kinds_of_new_fields(self, points: Sequence[Point]) -> dict[str, qdrant.PayloadSchemaType]:
        """Choose the kind of index for each field that has none yet, by the first value that is there."""
        kinds = {}
        for name in self.manifest.payload_indexes:
            if name not in self._indexed:
                values = (field_value(point.payload, name) for point in points)
                first = next((value for value in values if value is not None), None)
                if first is not None:
                    kinds[name] = index_kind(first)
        return kinds

    def _index_fields(self, kinds: Mapping[str, qdrant.PayloadSchemaType]) -> None:
        for name, kind in kinds.items():
            if name not in self._indexed:
                with engine_errors(self._folder):
                    self._shard.update(qdrant.UpdateOperation.create_field_index(payload_path(name), kind))
                self._indexed.add(name)


def config_of(manifest: IndexManifest, spec: QdrantEdge) -> qdrant.EdgeConfig:
    """Return the engine's configuration for an index version."""
    return shard_config(manifest.model.dimension, spec.exact_up_to, spec.search_threads or cores())


@contextmanager
def engine_errors(folder: Path) -> Iterator[None]:
    """Translate what the engine raises."""
    try:
        yield
    except LLMEngineeringError:
        raise
    except Exception as error:
        raise BackendError(
            f"the index in {folder} failed: {error}. If this repeats, remove that folder and run the feature pipeline "
            "to build the index again"
        ) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise BackendError(
            f"the engine of the index in {folder} broke off: {error}. The index may be damaged: remove that folder "
            "and run the feature pipeline to build it again"
        ) from error


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""One index version in a Qdrant Edge shard.

A shard without a write-ahead log takes no lock of its own, so several processes can open it, and is durable at `flush`.
Its errors are bare `Exception`s; panics of the engine derive from `BaseException`. Both become BackendError here.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import qdrant_edge as qdrant
from loguru import logger

from llm_engineering.domain import failpoints
from llm_engineering.domain.chunks import Point, SparseVector, Vector
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.queries import Filter, ScoredPoint
from llm_engineering.infrastructure.vector_stores.edge_errors import engine_errors
from llm_engineering.infrastructure.vector_stores.edge_layout import AT_WORK, CHANGED
from llm_engineering.infrastructure.vector_stores.edge_terms import (
    cores,
    domain_point,
    engine_filter,
    index_kind,
    shard_config,
    stored_point,
    stored_sparse,
)
from llm_engineering.infrastructure.vector_stores.folders import sync
from llm_engineering.infrastructure.vector_stores.locks import FileLock
from llm_engineering.infrastructure.vector_stores.matching import field_value
from llm_engineering.infrastructure.vector_stores.payload_paths import payload_path
from llm_engineering.infrastructure.vector_stores.points import check_dense, check_points, check_sparse, known_ids
from llm_engineering.infrastructure.vector_stores.qdrant_edge import QdrantEdge
from llm_engineering.infrastructure.vector_stores.space import (
    PAYLOAD_INDEX,
    SHARD,
    check_space,
    size_of,
    size_of_folder,
)
from llm_engineering.infrastructure.vector_stores.versions import Overtaken

INDEXED = ("uri", "source", "document_id")
BATCH = 1_000


class EdgeIndex:
    """A shard with the named vectors `dense` (cosine) and `sparse` (inverse document frequency)."""

    def __init__(
        self, shard: qdrant.EdgeShard, manifest: IndexManifest, folder: Path, lock: FileLock | None = None
    ) -> None:
        self.manifest = manifest
        self.lock = lock
        self.unflushed = False
        self._shard = shard
        self._folder = folder
        self._at_work = folder / AT_WORK
        self.interrupted = lock is not None and self._at_work.exists()
        self._indexed = set(self.payload_indexes())

    @classmethod
    def create(cls, folder: Path, manifest: IndexManifest, spec: QdrantEdge, lock: FileLock) -> "EdgeIndex":
        """Create an empty shard in a new folder."""
        path = folder / "shard"
        path.mkdir(parents=True)
        check_space(folder, SHARD)
        with engine_errors(folder):
            shard = qdrant.EdgeShard.create(str(path), config_of(manifest, spec))
        return cls(shard, manifest, folder, lock)

    @classmethod
    def load(cls, folder: Path, manifest: IndexManifest, spec: QdrantEdge, lock: FileLock | None = None) -> "EdgeIndex":
        """Open an existing shard: for writing with the writer's lock, without it for reading."""
        with engine_errors(folder):
            shard = qdrant.EdgeShard.load(
                str(folder / "shard"),
                config_of(manifest, spec),
            )
        return cls(shard, manifest, folder, lock)

    def upsert(self, points: Sequence[Point]) -> None:
        self._start_writing()
        check_points(points, self.manifest.model.dimension)
        self._check_space(size_of(points))
        self._index_fields(dict.fromkeys(INDEXED, qdrant.PayloadSchemaType.Keyword))
        self._index_fields(self._kinds_of_new_fields(points))
        for start in range(0, len(points), BATCH):
            failpoints.reach("edge.between_batches")
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
        pending = [name for name in (*INDEXED, *self.manifest.payload_indexes) if name not in self._indexed]
        self._index_fields(dict.fromkeys(pending, qdrant.PayloadSchemaType.Keyword))
        failpoints.reach("edge.before_flush")
        with engine_errors(self._folder):
            self._shard.flush()
        failpoints.reach("edge.after_flush")
        self._at_work.unlink(missing_ok=True)
        self.unflushed = False

    def optimize(self) -> None:
        """Merge segments, drop deleted points, build the HNSW graph where the index is large enough; then flush."""
        logger.debug("optimizing the index in {}: {} points", self._folder, self.count())
        self._start_writing()
        self._check_space(size_of_folder(self._folder))
        failpoints.reach("edge.before_optimize")
        with engine_errors(self._folder):
            self._shard.optimize()
        failpoints.reach("edge.after_optimize")
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

    def scan(self) -> Iterator[Point]:
        offset: qdrant.PointId | None = None
        while True:
            with engine_errors(self._folder):
                request = qdrant.ScrollRequest(offset=offset, limit=BATCH, with_payload=True, with_vector=True)
                records, offset = self._shard.scroll(request)
            yield from map(domain_point, records)
            if offset is None:
                return

    def payloads(self, fields: Collection[str], filter: Filter | None = None) -> Iterator[Mapping[str, object]]:
        offset: qdrant.PointId | None = None
        wanted, paths = engine_filter(filter), [payload_path(name) for name in fields]
        while True:
            with engine_errors(self._folder):
                request = qdrant.ScrollRequest(
                    offset=offset, limit=BATCH, filter=wanted, with_payload=paths, with_vector=False
                )
                records, offset = self._shard.scroll(request)
            yield from (record.payload or {} for record in records)
            if offset is None:
                return

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
            found = self._shard.query(qdrant.QueryRequest(limit=limit, query=query, filter=engine_filter(filter)))
            ids = [point.id for point in found]  # each access to `id` makes a new UUID
            # A query that brings the payloads along takes two to three times as long as asking for them by id.
            records = self._shard.retrieve(ids, with_payload=True, with_vector=False)
        payloads = {record.id: record.payload or {} for record in records}
        return [ScoredPoint(str(name), point.score, payloads[name]) for name, point in zip(ids, found, strict=True)]

    def check_lock(self) -> None:
        """Raise BackendError if this index may not be written to: opened for reading, or another run took it over."""
        if self.lock is None:
            raise BackendError("this index was opened for reading; use VectorStore.write to change it")
        if not self.lock.is_mine():
            raise Overtaken(self.lock.run, self.lock.last_run(), self._folder.parents[1].name)

    def _start_writing(self) -> None:
        self.check_lock()
        if not self.unflushed:
            self._mark_work()
        self.unflushed = True

    def _check_space(self, more: int) -> None:
        fields = len({*INDEXED, *self.manifest.payload_indexes} - self._indexed)
        check_space(self._folder, SHARD + fields * PAYLOAD_INDEX + more)

    def _mark_work(self) -> None:
        """Leave a mark on disk until the next flush, so that a successor knows if this process dies in between."""
        try:
            self._at_work.touch()
            (self._folder / CHANGED).touch()
            sync(self._folder)
        except OSError as error:
            raise BackendError(f"the index in {self._folder} cannot be written: {error}") from error
        failpoints.reach("edge.after_mark")

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

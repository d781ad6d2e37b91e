"""One index version in a Qdrant Edge shard.

A shard without a write-ahead log takes no lock of its own, so several processes can open it, and is durable at `flush`.
Its errors are bare `Exception`s; panics of the engine derive from `BaseException`. Both become BackendError here.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from llm_engineering.infrastructure.heap import give_back_heap
from llm_engineering.infrastructure.vector_stores.batches import in_parts
from llm_engineering.infrastructure.vector_stores.conditions.payload_paths import payload_path
from llm_engineering.infrastructure.vector_stores.locks import FileLock
from llm_engineering.infrastructure.vector_stores.points import (
    check_dense,
    check_points,
    check_sparse,
    first_values,
    known_ids,
)
from llm_engineering.infrastructure.vector_stores.qdrant_edge.errors import engine_errors
from llm_engineering.infrastructure.vector_stores.qdrant_edge.marks import Marks
from llm_engineering.infrastructure.vector_stores.qdrant_edge.resident_pages import give_back_pages
from llm_engineering.infrastructure.vector_stores.qdrant_edge.space import (
    PAYLOAD_INDEX,
    SHARD,
    check_space,
    size_of,
    size_of_folder,
)
from llm_engineering.infrastructure.vector_stores.qdrant_edge.spec import QdrantEdge
from llm_engineering.infrastructure.vector_stores.qdrant_edge.terms import (
    domain_point,
    engine_filter,
    index_kind,
    shard_config,
    stored_point,
    stored_sparse,
)
from llm_engineering.infrastructure.vector_stores.versions import READ_ONLY, Overtaken

INDEXED = ("uri", "source", "document_id")
BATCH = 1_000
# Points come in the order of their ids, so each is on a page of its own, and the kernel maps the pages around it too.
SCANNED = 250


class EdgeIndex:
    """A shard with the named vectors `dense` (cosine) and `sparse` (inverse document frequency)."""

    bitwise = True

    def __init__(
        self, shard: qdrant.EdgeShard, manifest: IndexManifest, folder: Path, lock: FileLock | None = None
    ) -> None:
        self.manifest = manifest
        self.lock = lock
        self.unflushed = False
        self._closed = False
        self._shard = shard
        self._folder = folder
        self._marks = Marks(folder)
        self.interrupted = lock is not None and self._marks.at_work
        self._indexed = set(self.payload_indexes())
        self._rest()

    @classmethod
    def create(cls, folder: Path, manifest: IndexManifest, spec: QdrantEdge, lock: FileLock) -> "EdgeIndex":
        """Create an empty shard in a new folder."""
        give_back_heap()
        path = folder / "shard"
        path.mkdir(parents=True)
        check_space(folder, SHARD)
        with engine_errors(folder):
            shard = qdrant.EdgeShard.create(str(path), shard_config(manifest.model.dimension, spec))
        return cls(shard, manifest, folder, lock)

    @classmethod
    def load(
        cls,
        folder: Path,
        manifest: IndexManifest,
        spec: QdrantEdge,
        lock: FileLock | None = None,
        *,
        warm: bool = False,
    ) -> "EdgeIndex":
        """Open an existing shard: for writing with the writer's lock, without it for reading.

        A `warm` one has its vectors in memory from the start.
        """
        if lock is not None:
            if Marks(folder).broken:
                raise BackendError(f"the index in {folder} could not be read by its last writer")
            give_back_heap()  # what the steps before left behind is in the way of what the engine takes now
        with engine_errors(folder):
            config = shard_config(manifest.model.dimension, spec, warm=warm)
            shard = qdrant.EdgeShard.load(str(folder / "shard"), config)
        return cls(shard, manifest, folder, lock)

    def upsert(self, points: Sequence[Point]) -> None:
        check_points(points, self.manifest.model.dimension)
        with self._as_owner():
            self._start_writing()
            self._check_space(size_of(points))
            self._index_fields(dict.fromkeys(INDEXED, qdrant.PayloadSchemaType.Keyword))
            self._index_fields(self._kinds_of_new_fields(points))
            for part in in_parts(points, BATCH):
                failpoints.reach("edge.between_batches")
                self._update(qdrant.UpdateOperation.upsert_points([stored_point(point) for point in part]))

    def delete(self, ids: Collection[str]) -> None:
        known = cast("list[qdrant.PointId]", known_ids(ids))
        with self._as_owner():
            self._start_writing()
            self._update(qdrant.UpdateOperation.delete_points(known))

    def flush(self) -> None:
        # A field that no point has had so far: text is the likeliest, and an index of another kind still finds it.
        pending = [name for name in (*INDEXED, *self.manifest.payload_indexes) if name not in self._indexed]
        with self._as_owner():
            self._start_writing()
            self._index_fields(dict.fromkeys(pending, qdrant.PayloadSchemaType.Keyword))
            failpoints.reach("edge.before_flush")
            with engine_errors(self._folder):
                self._shard.flush()
            self._rest()
            failpoints.reach("edge.after_flush")
            self._marks.end_work()
            self.unflushed = False

    def optimize(self) -> None:
        """Merge segments, drop deleted points, build the HNSW graph where the index is large enough; then flush."""
        logger.debug("optimizing the index in {}: {} points", self._folder, self.count())
        with self._as_owner():
            self._start_writing()
            self._check_space(size_of_folder(self._folder))
            failpoints.reach("edge.before_optimize")
            with engine_errors(self._folder):
                self._shard.optimize()
            failpoints.reach("edge.after_optimize")
        self.flush()

    def count(self, filter: Filter | None = None) -> int:
        with self._reading():
            return self._shard.count(qdrant.CountRequest(exact=True, filter=engine_filter(filter)))

    def ids(self) -> Iterator[str]:
        return (str(record.id) for record in self._scroll())

    def get(self, ids: Collection[str]) -> Mapping[str, Point]:
        known = cast("list[qdrant.PointId]", known_ids(ids))
        points: dict[str, Point] = {}
        for part in in_parts(known, SCANNED):
            with self._reading():
                records = self._shard.retrieve(list(part), with_payload=True, with_vector=True)
            self._rest()
            points |= {str(record.id): domain_point(record) for record in records}
        return points

    def scan(self) -> Iterator[Point]:
        return map(domain_point, self._scroll(with_payload=True, with_vector=True))

    def payloads(self, fields: Collection[str], filter: Filter | None = None) -> Iterator[Mapping[str, object]]:
        found = self._scroll(filter, with_payload=[payload_path(name) for name in fields])
        return (record.payload or {} for record in found)

    def payload_indexes(self) -> Collection[str]:
        with self._reading():
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
        if self._closed:
            return
        self._closed = True
        with engine_errors(self._folder):
            self._shard.close()
        if self.lock is not None:
            give_back_heap()

    def _search(
        self, vector: "qdrant.NamedVector", using: str, limit: int, filter: Filter | None
    ) -> Sequence[ScoredPoint]:
        with self._reading():
            query = qdrant.Query.Nearest(vector, using=using)
            found = self._shard.query(qdrant.QueryRequest(limit=limit, query=query, filter=engine_filter(filter)))
            ids = [point.id for point in found]  # each access to `id` makes a new UUID
            # A query that brings the payloads along takes two to three times as long as asking for them by id.
            records = self._shard.retrieve(ids, with_payload=True, with_vector=False)
        payloads = {record.id: record.payload or {} for record in records}
        return [ScoredPoint(str(name), point.score, payloads[name]) for name, point in zip(ids, found, strict=True)]

    def _scroll(
        self, filter: Filter | None = None, *, with_payload: bool | list[str] = False, with_vector: bool = False
    ) -> Iterator[qdrant.Record]:
        offset: qdrant.PointId | None = None
        wanted, limit = engine_filter(filter), SCANNED if with_vector else BATCH
        while True:
            with self._reading():
                request = qdrant.ScrollRequest(
                    offset=offset, limit=limit, filter=wanted, with_payload=with_payload, with_vector=with_vector
                )
                records, offset = self._shard.scroll(request)
            self._rest()
            yield from records
            if offset is None:
                return

    def check_lock(self) -> None:
        """Raise BackendError if this index may not be written to: opened for reading, or another run took it over."""
        if self.lock is None:
            raise BackendError(READ_ONLY)
        if not self.lock.is_mine():
            raise Overtaken(self.lock.run, self.lock.last_run(), self._folder.parents[1].name)

    @contextmanager
    def _as_owner(self) -> Iterator[None]:
        """Write. If it fails because a later run took over, and moved the files away, that is what is said."""
        try:
            yield
        except (BackendError, OSError):
            self.check_lock()
            raise

    def _update(self, operation: qdrant.UpdateOperation) -> None:
        with engine_errors(self._folder):
            self._shard.update(operation)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Translate what the engine raises. What a writer cannot read is built again by the next one."""
        try:
            with engine_errors(self._folder):
                yield
        except BackendError:
            if self.lock is not None:
                self._marks.break_up()
            raise

    def _rest(self) -> None:
        """Keep a writer's memory flat, which goes through all files; readers keep what they search warm."""
        if self.lock is not None:
            give_back_pages(self._folder)

    def _start_writing(self) -> None:
        self.check_lock()
        if not self.unflushed:
            self._marks.begin_work()
        self.unflushed = True

    def _check_space(self, more: int) -> None:
        fields = len({*INDEXED, *self.manifest.payload_indexes} - self._indexed)
        check_space(self._folder, SHARD + fields * PAYLOAD_INDEX + more)

    def _kinds_of_new_fields(self, points: Sequence[Point]) -> dict[str, qdrant.PayloadSchemaType]:
        """Choose the kind of index for each field that has none yet, by the first value that is there."""
        new = [name for name in self.manifest.payload_indexes if name not in self._indexed]
        return {name: index_kind(value) for name, value in first_values(points, new).items()}

    def _index_fields(self, kinds: Mapping[str, qdrant.PayloadSchemaType]) -> None:
        for name, kind in kinds.items():
            if name not in self._indexed:
                self._update(qdrant.UpdateOperation.create_field_index(payload_path(name), kind))
                self._indexed.add(name)

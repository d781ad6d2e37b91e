"""One index version in a Qdrant Edge shard.

A shard without a write-ahead log takes no lock of its own, so several processes can open it, and is durable at `flush`.
Its errors are bare `Exception`s; panics of the engine derive from `BaseException`. Both become BackendError here.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import qdrant_edge as qdrant
from loguru import logger

from llm_engineering.domain import failpoints
from llm_engineering.domain.chunks import Point
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.infrastructure.heap import give_back_heap
from llm_engineering.infrastructure.vector_stores.batches import in_parts
from llm_engineering.infrastructure.vector_stores.conditions.payload_paths import payload_path
from llm_engineering.infrastructure.vector_stores.locks import FileLock
from llm_engineering.infrastructure.vector_stores.points import (
    check_points,
    first_values,
    known_ids,
)
from llm_engineering.infrastructure.vector_stores.qdrant_edge.ahead import Ahead
from llm_engineering.infrastructure.vector_stores.qdrant_edge.errors import engine_errors
from llm_engineering.infrastructure.vector_stores.qdrant_edge.marks import Marks
from llm_engineering.infrastructure.vector_stores.qdrant_edge.reading import BATCH, INDEXED, EdgeReading
from llm_engineering.infrastructure.vector_stores.qdrant_edge.space import (
    PAYLOAD_INDEX,
    SHARD,
    check_space,
    size_of,
    size_of_folder,
)
from llm_engineering.infrastructure.vector_stores.qdrant_edge.spec import QdrantEdge
from llm_engineering.infrastructure.vector_stores.qdrant_edge.terms import (
    index_kind,
    shard_config,
    stored_point,
)
from llm_engineering.infrastructure.vector_stores.versions import READ_ONLY, Overtaken


class EdgeIndex(EdgeReading):
    """An index version that is opened for writing, with the writer's lock, or for reading, without it."""

    def __init__(
        self, shard: qdrant.EdgeShard, manifest: IndexManifest, folder: Path, lock: FileLock | None = None
    ) -> None:
        super().__init__(shard, manifest, folder, lock)
        self.unflushed = False
        self._closed = False
        self._ahead: Ahead | None = None
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

    def read_ahead(self) -> None:
        """Begin to read what searches will want, for one that is searched for long."""
        self._ahead = self._ahead or Ahead(self._folder)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._ahead is not None:
            self._ahead.end()
        with engine_errors(self._folder):
            self._shard.close()
        if self.lock is not None:
            give_back_heap()

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

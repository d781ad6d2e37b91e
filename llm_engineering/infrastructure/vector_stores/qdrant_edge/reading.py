"""What an index version in a Qdrant Edge shard answers, to a reader and to its writer."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np
import qdrant_edge as qdrant

from llm_engineering.domain.chunks import Point, SparseVector, Vector
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.queries import Filter, ScoredPoint
from llm_engineering.infrastructure.vector_stores.batches import in_parts
from llm_engineering.infrastructure.vector_stores.conditions.payload_paths import payload_path
from llm_engineering.infrastructure.vector_stores.locks import FileLock
from llm_engineering.infrastructure.vector_stores.points import check_dense, check_sparse, known_ids
from llm_engineering.infrastructure.vector_stores.qdrant_edge.errors import engine_errors
from llm_engineering.infrastructure.vector_stores.qdrant_edge.found import FoundPayload, FoundPayloads
from llm_engineering.infrastructure.vector_stores.qdrant_edge.marks import Marks
from llm_engineering.infrastructure.vector_stores.qdrant_edge.resident_pages import give_back_pages
from llm_engineering.infrastructure.vector_stores.qdrant_edge.terms import (
    SEARCHED,
    domain_point,
    engine_filter,
    stored_sparse,
)

INDEXED = ("uri", "source", "document_id")
BATCH = 1_000
# Points come in the order of their ids, so each is on a page of its own, and the kernel maps the pages around it too.
SCANNED = 250


class EdgeReading:
    """A shard with the named vectors `dense` (cosine) and `sparse` (inverse document frequency).

    With the writer's lock it is its writer that reads.
    """

    bitwise = True

    def __init__(self, shard: qdrant.EdgeShard, manifest: IndexManifest, folder: Path, lock: FileLock | None) -> None:
        self.manifest = manifest
        self.lock = lock
        self._shard = shard
        self._folder = folder
        self._marks = Marks(folder)
        self.interrupted = lock is not None and self._marks.at_work

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

    def _search(
        self, vector: "qdrant.NamedVector", using: str, limit: int, filter: Filter | None
    ) -> Sequence[ScoredPoint]:
        with self._reading():
            query = qdrant.Query.Nearest(vector, using=using)
            wanted = engine_filter(filter)
            found = self._shard.query(qdrant.QueryRequest(limit=limit, query=query, filter=wanted, params=SEARCHED))
            ids = [point.id for point in found]  # each access to `id` makes a new UUID
        payloads = FoundPayloads(len(ids), lambda some: self._payloads(ids[some]))
        if self.lock is not None:
            payloads.read()  # a writer may have removed them when it looks
        return [
            ScoredPoint(str(name), point.score, FoundPayload(payloads, number))
            for number, (name, point) in enumerate(zip(ids, found, strict=True))
        ]

    def _payloads(self, ids: "list[qdrant.PointId]") -> list[Mapping[str, object]]:
        """Return payloads in the order of the ids. A query that brings them along takes two to three times as long."""
        with self._reading():
            records = self._shard.retrieve(ids, with_payload=True, with_vector=False)
        payloads = {record.id: record.payload or {} for record in records}
        return [payloads[name] for name in ids]

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

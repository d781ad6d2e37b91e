"""One index version on a Qdrant server, as a reader or a writer of one generation sees it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from qdrant_client import models

from llm_engineering.domain.chunks import Point, SparseVector, Vector
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.queries import Filter, ScoredPoint
from llm_engineering.infrastructure.vector_stores.batches import IDS_PER_REQUEST, in_parts
from llm_engineering.infrastructure.vector_stores.conditions.payload_paths import payload_path
from llm_engineering.infrastructure.vector_stores.points import (
    check_dense,
    check_points,
    check_sparse,
    first_values,
    known_ids,
)
from llm_engineering.infrastructure.vector_stores.qdrant.catalog import BASE_INDEXES
from llm_engineering.infrastructure.vector_stores.qdrant.generations import (
    removable_by,
    replaced_by,
    seen_at,
    seen_by_writer,
    unpublished,
    with_ids,
    written_by,
)
from llm_engineering.infrastructure.vector_stores.qdrant.server import Refused, Server
from llm_engineering.infrastructure.vector_stores.qdrant.terms import (
    IN_FULL,
    domain_point,
    first_seen,
    frequencies_at,
    index_kind,
    newest,
    own_id,
    own_payload,
    scored_point,
    server_filter,
    stored_point,
    stored_sparse,
)
from llm_engineering.infrastructure.vector_stores.versioned.generations import FROM, ID, RESERVED, UNTIL
from llm_engineering.infrastructure.vector_stores.versioned.payloads import check_payloads
from llm_engineering.infrastructure.vector_stores.versioned.session import Session
from llm_engineering.infrastructure.vector_stores.versioned.version import Version
from llm_engineering.infrastructure.vector_stores.versions import READ_ONLY

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.qdrant.spec import Qdrant

TOO_LARGE = 413


class QdrantIndex:
    """The points of a Qdrant collection that are to be seen at `generation`; a writer works on the next one."""

    bitwise = False

    def __init__(
        self, server: Server, spec: "Qdrant", version: Version, generation: int, session: Session | None
    ) -> None:
        self.manifest = version.manifest
        self.generation = generation
        self.unflushed = False
        self.interrupted = session is not None and session.interrupted
        self._server = server
        self._client = server.client
        self._name = version.table
        self._batch = spec.batch
        self._session = session
        self._indexed = set(version.indexed)

    def upsert(self, points: Sequence[Point]) -> None:
        self._start_writing()
        check_points(points, self.manifest.model.dimension)
        check_payloads(points)
        self._index_fields(self._kinds_of_new_fields(points))
        last = list({point.id: point for point in points}.values())
        for part in in_parts(last, self._batch):
            self._write([stored_point(point, self.generation) for point in part])

    def delete(self, ids: Collection[str]) -> None:
        self._start_writing()
        for part in in_parts(known_ids(ids), IDS_PER_REQUEST):
            removable = models.FilterSelector(filter=removable_by(self.generation, part))
            self._update(models.DeleteOperation(delete=removable), *self._end(part))

    def flush(self) -> None:
        self._start_writing()
        # A field that no point has had so far: text is the likeliest, and an index of another kind still finds it.
        pending = [name for name in self.manifest.payload_indexes if payload_path(name) not in self._indexed]
        self._index_fields(dict.fromkeys(pending, models.PayloadSchemaType.KEYWORD))
        self.unflushed = False  # every write was waited for

    def settle(self) -> bool:
        self._index_fields(BASE_INDEXES)
        if not self.has_unpublished():
            return False
        if self.generation > 1:
            added = map(own_id, self._scroll(written_by(self.generation), IDS_PER_REQUEST, payload=[ID]))
            for part in in_parts(list(added), IDS_PER_REQUEST):
                self._update(*self._end(part))
        return True

    def has_unpublished(self) -> bool:
        return self._count(unpublished(self.generation)) > 0

    def finish(self) -> None:
        """Do nothing: every write was waited for, and the server optimises by itself."""

    def count(self, filter: Filter | None = None) -> int:
        return self._count(server_filter(filter, self.generation))

    def ids(self) -> Iterator[str]:
        for record in self._seen(IDS_PER_REQUEST, payload=[ID, FROM]):
            yield own_id(record)

    def scan(self) -> Iterator[Point]:
        for record in self._seen(self._batch, payload=True, vectors=True):
            yield domain_point(record)

    def get(self, ids: Collection[str]) -> Mapping[str, Point]:
        points: dict[str, Point] = {}
        for part in in_parts(known_ids(ids), self._batch):
            wanted = models.Filter(must=[with_ids(part), *seen_at(self.generation)])
            found = self._scroll(wanted, self._batch, payload=True, vectors=True)
            points |= {own_id(record): domain_point(record) for record in sorted(found, key=first_seen)}
        return points

    def payloads(self, fields: Collection[str], filter: Filter | None = None) -> Iterator[Mapping[str, object]]:
        wanted, paths = server_filter(filter, self.generation), [ID, FROM, *map(payload_path, fields)]
        yield from map(own_payload, newest(self._scroll(wanted, IDS_PER_REQUEST, payload=paths)))

    def payload_indexes(self) -> Collection[str]:
        paths = self._server.call(self._client.get_collection, self._name).payload_schema
        names = {payload_path(name): name for name in (*BASE_INDEXES, *self.manifest.payload_indexes)}
        return tuple(names.get(path, path) for path in paths if path not in RESERVED)

    def search_dense(self, vector: Vector, limit: int, filter: Filter | None = None) -> Sequence[ScoredPoint]:
        check_dense(vector, self.manifest.model.dimension, "the query")
        return self._search(vector.tolist(), "dense", limit, filter, IN_FULL)

    def search_sparse(self, vector: SparseVector, limit: int, filter: Filter | None = None) -> Sequence[ScoredPoint]:
        check_sparse(vector, "the query")
        if not vector.indices:
            return []
        params = frequencies_at(self.generation, self._server.version)
        return self._search(stored_sparse(vector), "sparse", limit, filter, params)

    def close(self) -> None:
        """Do nothing: the connection is the store's."""

    def _search(
        self,
        vector: list[float] | models.SparseVector,
        using: str,
        limit: int,
        filter: Filter | None,
        params: models.SearchParams | None = None,
    ) -> Sequence[ScoredPoint]:
        if limit < 1:
            return []
        found = self._server.call(
            self._client.query_points,
            self._name,
            query=vector,
            using=using,
            query_filter=server_filter(filter, self.generation),
            search_params=params,
            limit=limit,
            with_payload=True,
        )
        return [scored_point(point) for point in found.points]

    def _seen(self, page: int, *, payload: bool | list[str], vectors: bool = False) -> Iterator[models.Record]:
        """Iterate over the points of this generation in the order of our ids, each once.

        A writer that was killed between adding a point and ending the one before has left both: the newer one counts.
        """
        seen = seen_by_writer(self.generation) if self._session else models.Filter(must=seen_at(self.generation))
        yield from newest(self._scroll(seen, page, payload=payload, vectors=vectors))

    def _scroll(
        self, wanted: models.Filter, page: int, *, payload: bool | list[str], vectors: bool = False
    ) -> Iterator[models.Record]:
        offset: models.ExtendedPointId | None = None
        while True:
            records, offset = self._server.call(
                self._client.scroll,
                self._name,
                scroll_filter=wanted,
                limit=page,
                offset=offset,
                with_payload=payload,
                with_vectors=vectors,
            )
            yield from records
            if offset is None:
                return

    def _count(self, wanted: models.Filter) -> int:
        return self._server.call(self._client.count, self._name, count_filter=wanted, exact=True).count

    def _write(self, points: list[models.PointStruct]) -> None:
        """Write a batch; halve it if the server's limit for a request is smaller."""
        try:
            ids = [own_id(point) for point in points]
            self._update(models.UpsertOperation(upsert=models.PointsList(points=points)), *self._end(ids))
        except Refused as refused:
            if refused.status != TOO_LARGE:
                raise
            if len(points) == 1:
                raise BackendError(
                    f"point {points[0].id} is larger than the Qdrant server at {self._server.url} takes in one "
                    "request; raise max_request_size_mb there, or cut smaller chunks and metadata"
                ) from refused
            middle = len(points) // 2
            self._write(points[:middle])
            self._write(points[middle:])

    def _end(self, ids: Sequence[str]) -> list[models.UpdateOperation]:
        """Return what ends the earlier generations of these points; in the first generation there are none."""
        if self.generation == 1:
            return []
        ended = models.SetPayload(payload={UNTIL: self.generation}, filter=replaced_by(self.generation, ids))
        return [models.SetPayloadOperation(set_payload=ended)]

    def _update(self, *operations: models.UpdateOperation) -> None:
        self._server.call(self._client.batch_update_points, self._name, update_operations=operations, wait=True)

    def _start_writing(self) -> None:
        if self._session is None:
            raise BackendError(READ_ONLY)
        self._session.before_writing(self.generation)
        self.unflushed = True

    def _kinds_of_new_fields(self, points: Sequence[Point]) -> dict[str, models.PayloadSchemaType]:
        """Choose the kind of index for each field that has none yet, by the first value that is there."""
        new = [name for name in self.manifest.payload_indexes if payload_path(name) not in self._indexed]
        return {name: index_kind(value) for name, value in first_values(points, new).items()}

    def _index_fields(self, kinds: Mapping[str, models.PayloadSchemaType]) -> None:
        for name, kind in kinds.items():
            path = payload_path(name)
            if path not in self._indexed:
                create = self._client.create_payload_index
                self._server.call(create, self._name, field_name=path, field_schema=kind, wait=True)
                self._indexed.add(path)

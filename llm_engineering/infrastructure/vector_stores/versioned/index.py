"""One index version in an engine, as a reader or a writer of one generation sees it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice

from llm_engineering.domain.chunks import Point, SparseVector, Vector
from llm_engineering.domain.conditions import And, Condition, In, condition_of
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.queries import Filter, ScoredPoint
from llm_engineering.infrastructure.vector_stores.batches import IDS_PER_REQUEST, in_parts
from llm_engineering.infrastructure.vector_stores.conditions.matching import fulfils
from llm_engineering.infrastructure.vector_stores.memory.index import unit
from llm_engineering.infrastructure.vector_stores.points import check_dense, check_points, check_sparse, known_ids
from llm_engineering.infrastructure.vector_stores.versioned.engine import NO_SPARSE, Engine, Row
from llm_engineering.infrastructure.vector_stores.versioned.generations import (
    FOREIGN,
    FOREVER,
    ID,
    replaced_by,
    seen_at,
    stored_key,
    unpublished,
    written_by,
)
from llm_engineering.infrastructure.vector_stores.versioned.payloads import check_payloads
from llm_engineering.infrastructure.vector_stores.versioned.searching import Frequencies, best_of
from llm_engineering.infrastructure.vector_stores.versioned.session import Session
from llm_engineering.infrastructure.vector_stores.versioned.version import Version
from llm_engineering.infrastructure.vector_stores.versions import READ_ONLY


class VersionedIndex:
    """The rows of a table that are to be seen at `generation`; a writer works on the next one."""

    bitwise = False

    def __init__(self, engine: Engine, batch: int, version: Version, generation: int, session: Session | None) -> None:
        self.manifest = version.manifest
        self.generation = generation
        self.unflushed = False
        self.interrupted = session is not None and session.interrupted
        self._engine = engine
        self._table = version.table
        self._batch = batch
        self._session = session
        self._frequencies = Frequencies(engine, version.table)
        self._foreign: set[str] = set()

    def upsert(self, points: Sequence[Point]) -> None:
        self._start_writing()
        check_points(points, self.manifest.model.dimension)
        check_payloads(points)
        last = list({point.id: point for point in points}.values())
        for part in in_parts(last, self._batch):
            self._engine.write(self._table, [self._row(point) for point in part])
            self._end([point.id for point in part])

    def delete(self, ids: Collection[str]) -> None:
        self._start_writing()
        for part in in_parts(known_ids(ids), IDS_PER_REQUEST):
            self._engine.remove(self._table, written_by(self.generation, part))
            self._end(part)
        if foreign := [known for known in ids if known in self._foreign]:
            self._engine.discard(self._table, foreign)
            self._foreign.difference_update(foreign)

    def flush(self) -> None:
        self._start_writing()
        self._engine.flush(self._table)
        self.unflushed = False

    def settle(self) -> bool:
        if not self.has_unpublished():
            return False
        if self.generation > 1:
            added = (row.id for row in self._engine.rows(self._table, written_by(self.generation), vectors=False))
            while part := list(islice(added, IDS_PER_REQUEST)):
                self._end(part)
        return True

    def has_unpublished(self) -> bool:
        return self._engine.count(self._table, unpublished(self.generation)) > 0

    def finish(self) -> None:
        self._engine.flush(self._table)
        self._engine.optimize(self._table)

    def count(self, filter: Filter | None = None) -> int:
        wanted = condition_of(filter)
        if self._engine.expresses(wanted):
            return self._engine.count(self._table, self._seen(wanted))
        return sum(1 for _ in self._rows(wanted, vectors=False))

    def ids(self) -> Iterator[str]:
        for row in self._rows(condition_of(None), vectors=False):
            yield row.id
        if self._session is not None:
            for row in self._engine.rows(self._table, FOREIGN, vectors=False):
                self._foreign.add(row.id)
                yield row.id

    def scan(self) -> Iterator[Point]:
        for row in self._rows(condition_of(None), vectors=True):
            yield Point(row.id, row.dense, row.sparse, row.payload)

    def get(self, ids: Collection[str]) -> Mapping[str, Point]:
        points: dict[str, Point] = {}
        for part in in_parts(known_ids(ids), self._batch):
            for row in self._rows(In(field=ID, values=tuple(part)), vectors=True):
                points[row.id] = Point(row.id, row.dense, row.sparse, row.payload)
        return points

    def payloads(self, fields: Collection[str], filter: Filter | None = None) -> Iterator[Mapping[str, object]]:  # noqa: ARG002 - whole payloads are one text
        for row in self._rows(condition_of(filter), vectors=False):
            yield row.payload

    def payload_indexes(self) -> Collection[str]:
        return tuple(self._engine.indexed(self._table))

    def search_dense(self, vector: Vector, limit: int, filter: Filter | None = None) -> Sequence[ScoredPoint]:
        check_dense(vector, self.manifest.model.dimension, "the query")
        if limit < 1:
            return []
        wanted, query = condition_of(filter), unit(vector)
        seen = self._seen(wanted)

        def ask(number: int) -> Sequence[ScoredPoint]:
            return self._engine.nearest(self._table, query, seen, number)

        def score(row: Row) -> float:
            return sum(left * right for left, right in zip(query, row.dense, strict=True))

        return best_of(self._engine, ask, score, lambda: self._rows(wanted, vectors=True), wanted, limit)

    def search_sparse(self, vector: SparseVector, limit: int, filter: Filter | None = None) -> Sequence[ScoredPoint]:
        check_sparse(vector, "the query")
        if not self._engine.capabilities.has_sparse:
            raise UsageError(NO_SPARSE)
        if not vector.indices or limit < 1:
            return []
        # A reader's generation stands still, so what was counted once holds.
        weights = self._frequencies.weighted(vector, self._seen(condition_of(None)), keep=self._session is None)
        wanted = condition_of(filter)
        seen = self._seen(wanted)

        def ask(number: int) -> Sequence[ScoredPoint]:
            return self._engine.best(self._table, weights, seen, number)

        def score(row: Row) -> float:
            pairs = zip(row.sparse.indices, row.sparse.values, strict=True)
            return sum(weights[term] * value for term, value in pairs if term in weights)

        found = best_of(self._engine, ask, score, lambda: self._rows(wanted, vectors=True), wanted, limit)
        return [hit for hit in found if hit.score > 0.0]

    def close(self) -> None:
        """Do nothing: the connection is the store's."""

    def _row(self, point: Point) -> Row:
        key = stored_key(point.id, self.generation)
        return Row(key, point.id, self.generation, FOREVER, unit(point.dense), point.sparse, point.payload)

    def _seen(self, wanted: Condition) -> Condition:
        return And(conditions=(*seen_at(self.generation), wanted))

    def _rows(self, wanted: Condition, *, vectors: bool) -> Iterator[Row]:
        rows = self._engine.rows(self._table, self._seen(wanted), vectors=vectors)
        if self._by_id(wanted) or self._engine.expresses(wanted):
            return rows
        return (row for row in rows if fulfils(row.payload, wanted))

    def _by_id(self, wanted: Condition) -> bool:
        return isinstance(wanted, In) and wanted.field == ID

    def _end(self, ids: Sequence[str]) -> None:
        """End the earlier generations of these points; in the first generation there are none."""
        if self.generation > 1 and ids:
            self._engine.end(self._table, replaced_by(self.generation, ids), self.generation)

    def _start_writing(self) -> None:
        if self._session is None:
            raise BackendError(READ_ONLY)
        self._session.before_writing(self.generation)
        self.unflushed = True

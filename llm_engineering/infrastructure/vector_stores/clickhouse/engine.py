"""The engine of `Clickhouse`: a table for each version, one for the records, searched by its SQL."""

import json
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llm_engineering.domain.chunks import SparseVector, Vector
from llm_engineering.domain.conditions import Condition
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.queries import ScoredPoint
from llm_engineering.infrastructure.vector_stores.clickhouse.conditions import DIALECT, listed, numbers, quoted
from llm_engineering.infrastructure.vector_stores.conditions.pairs import pairs, spelled
from llm_engineering.infrastructure.vector_stores.versioned.capabilities import Capabilities
from llm_engineering.infrastructure.vector_stores.versioned.engine import Engine, Row
from llm_engineering.infrastructure.vector_stores.versioned.payloads import decoded
from llm_engineering.infrastructure.vector_stores.versioned.vectors import NO_DENSE, NO_SPARSE

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.clickhouse.client import ClickhouseClient
    from llm_engineering.infrastructure.vector_stores.clickhouse.spec import Clickhouse

PAGE = 1_000
BOOKS = "le_records"
RECORDS = (
    f"CREATE TABLE IF NOT EXISTS {BOOKS} (key String, value String, number UInt64) "
    "ENGINE = ReplacingMergeTree(number) ORDER BY key"
)
COLUMNS = {
    "key": "String",
    "id": "String",
    "first": "Int32",
    "until": "Int32",
    "document": "String",
    "pairs": "Array(String)",
    "numbers": "Map(String, Float64)",
    "payload": "String",
    "terms": "Array(UInt32)",
    "weights": "Array(Float64)",
    "dense": "Array(Float32)",
}
INDEXES = "".join(
    f", INDEX by_{name} {name} TYPE bloom_filter GRANULARITY 1" for name in ("id", "document", "pairs", "terms")
)


class ClickhouseEngine(Engine):
    """The tables of one database."""

    def __init__(self, client: "ClickhouseClient", spec: "Clickhouse") -> None:
        self._client = client
        self._spec = spec

    @property
    def capabilities(self) -> Capabilities:  # type: ignore[override]
        return self._spec.capabilities

    def records(self, prefix: str) -> Mapping[str, str]:
        if not self._exists(BOOKS):
            return {}
        found = self._client.ask(f"SELECT key, value FROM {BOOKS} FINAL WHERE startsWith(key, {quoted(prefix)})")
        return dict(found)

    def put(self, key: str, value: str) -> None:
        self._client.do(RECORDS)
        # One row is written at once, and the highest number is what is read.
        self._client.do(f"INSERT INTO {BOOKS} SELECT {quoted(key)}, {quoted(value)}, max(number) + 1 FROM {BOOKS}")

    def forget(self, keys: Sequence[str]) -> None:
        if self._exists(BOOKS):
            self._client.do(f"ALTER TABLE {BOOKS} DELETE WHERE key IN ({listed(keys)})")

    def create(self, table: str, dimension: int, fields: Sequence[str]) -> None:
        about = json.dumps({"dimension": dimension, "fields": list(fields)})
        columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        self._client.do(
            f"CREATE TABLE IF NOT EXISTS {table} ({columns}{INDEXES}) ENGINE = MergeTree ORDER BY key "
            f"COMMENT {quoted(about)}"
        )
        found = self._about(table).get("dimension")
        if found != dimension:
            raise UsageError(
                f"the table {table} of ClickHouse holds vectors of {found} components, and the model makes "
                f"{dimension}; choose another name under load: collection, or another database"
            )

    def drop(self, table: str) -> None:
        self._client.do(f"DROP TABLE IF EXISTS {table}")

    def indexed(self, table: str) -> Collection[str]:
        # All pairs of field and value have one index.
        return tuple(self._about(table).get("fields", ()))

    def write(self, table: str, rows: Sequence[Row]) -> None:
        keys = listed(row.key for row in rows)
        if self._client.ask(f"SELECT count() FROM {table} WHERE key IN ({keys})")[0][0]:
            self.discard(table, [row.key for row in rows])
        self._client.insert(table, list(COLUMNS), [stored(row) for row in rows])

    def end(self, table: str, condition: Condition, generation: int) -> None:
        self._client.do(f"ALTER TABLE {table} UPDATE until = {generation} WHERE {DIALECT.text(condition)}")

    def remove(self, table: str, condition: Condition) -> None:
        # A mutation rewrites what it touches, and waits its turn; most often there is nothing to remove.
        if self.count(table, condition):
            self._client.do(f"ALTER TABLE {table} DELETE WHERE {DIALECT.text(condition)}")

    def discard(self, table: str, keys: Sequence[str]) -> None:
        self._client.do(f"ALTER TABLE {table} DELETE WHERE key IN ({listed(keys)})")

    def rows(self, table: str, condition: Condition, *, vectors: bool) -> Iterator[Row]:
        wanted = "key, id, first, until, payload" + (", terms, weights, dense" if vectors else "")
        text, last = DIALECT.text(condition), ""
        while True:
            found = self._client.ask(
                f"SELECT {wanted} FROM {table} WHERE key > {quoted(last)} AND ({text}) ORDER BY key LIMIT {PAGE}"
            )
            for row in found:
                yield row_of(row)
            if len(found) < PAGE:
                return
            last = found[-1][0]

    def count(self, table: str, condition: Condition) -> int:
        return int(self._client.ask(f"SELECT count() FROM {table} WHERE {DIALECT.text(condition)}")[0][0])

    def nearest(self, table: str, vector: Vector, condition: Condition, limit: int) -> Sequence[ScoredPoint]:
        query = f"CAST([{', '.join(map(repr, vector))}], 'Array(Float32)')"
        found = self._client.ask(
            f"SELECT key, id, 1 - cosineDistance(dense, {query}) AS score FROM {table} WHERE {DIALECT.text(condition)} "
            f"ORDER BY score DESC, id LIMIT {limit}"
        )
        return self._with_payloads(table, found)

    def expresses(self, condition: Condition) -> bool:
        return DIALECT.expresses(condition)

    def frequencies(self, table: str, terms: Collection[int], condition: Condition) -> tuple[int, Mapping[int, int]]:
        text, asked = DIALECT.text(condition), ", ".join(map(str, terms))
        total = self._client.ask(f"SELECT count() FROM {table} WHERE notEmpty(terms) AND ({text})")[0][0]
        found = self._client.ask(
            f"SELECT term, count() FROM {table} ARRAY JOIN terms AS term WHERE term IN ({asked}) "
            f"AND hasAny(terms, CAST([{asked}], 'Array(UInt32)')) AND ({text}) GROUP BY term"
        )
        return int(total), {int(term): int(holders) for term, holders in found}

    def best(self, table: str, weights: Mapping[int, float], condition: Condition, limit: int) -> Sequence[ScoredPoint]:
        asked = f"CAST([{', '.join(map(str, weights))}], 'Array(UInt32)')"
        worth = f"CAST([{', '.join(repr(float(weight)) for weight in weights.values())}], 'Array(Float64)')"
        score = f"arraySum((term, weight) -> weight * transform(term, {asked}, {worth}, 0.), terms, weights)"
        found = self._client.ask(
            f"SELECT key, id, {score} AS score FROM {table} WHERE hasAny(terms, {asked}) "
            f"AND ({DIALECT.text(condition)}) AND score > 0 ORDER BY score DESC, id LIMIT {limit}"
        )
        return self._with_payloads(table, found)

    def close(self) -> None:
        self._client.close()

    def _with_payloads(self, table: str, found: Sequence[Sequence[Any]]) -> Sequence[ScoredPoint]:
        """Add payloads to rows of key, id and score: they are read for those few only."""
        if not found:
            return []
        keys = listed(key for key, _, _ in found)
        payloads = dict(self._client.ask(f"SELECT key, payload FROM {table} WHERE key IN ({keys})"))
        return [
            ScoredPoint(known, float(score), decoded(payloads[key])) for key, known, score in found if key in payloads
        ]

    def _exists(self, table: str) -> bool:
        return bool(self._client.ask(f"SELECT count() FROM system.tables WHERE {_named(table)}")[0][0])

    def _about(self, table: str) -> Mapping[str, Any]:
        found = self._client.ask(f"SELECT comment FROM system.tables WHERE {_named(table)}")
        return decoded(found[0][0]) if found and found[0][0] else {}


def _named(table: str) -> str:
    return f"database = currentDatabase() AND name = {quoted(table)}"


def stored(row: Row) -> list[Any]:
    """Return a row as the table has it."""
    document = spelled(row.fields["document_id"]) if "document_id" in row.fields else ""
    return [
        row.key, row.id, row.first, row.until, document, pairs(row.fields), numbers(row.fields), row.text,
        list(row.sparse.indices), list(row.sparse.values), row.dense.tolist(),
    ]  # fmt: skip


def row_of(found: Sequence[Any]) -> Row:
    """Return the row that the table has, with its vectors if they were asked for."""
    key, known, first, until, payload, *vectors = found
    sparse, dense = NO_SPARSE, NO_DENSE
    if vectors:
        sparse, dense = SparseVector(tuple(vectors[0]), tuple(vectors[1])), array("f", vectors[2])
    return Row(key, known if first else key, first, until, dense, sparse, decoded(payload) if first else {})

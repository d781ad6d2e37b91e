"""The engine of `Pgvector`: rows and postings in tables, searched by PostgreSQL."""

from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from pgvector import Vector as Stored

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.conditions import Condition
from llm_engineering.domain.queries import ScoredPoint
from llm_engineering.infrastructure.vector_stores.pgvector.conditions import COLUMNS, DIALECT, is_storable
from llm_engineering.infrastructure.vector_stores.pgvector.searching import best, nearest
from llm_engineering.infrastructure.vector_stores.pgvector.tables import (
    build_graph,
    drop_table,
    ensure_schema,
    ensure_table,
    indexed_fields,
)
from llm_engineering.infrastructure.vector_stores.versioned.capabilities import Capabilities
from llm_engineering.infrastructure.vector_stores.versioned.engine import Engine, Row
from llm_engineering.infrastructure.vector_stores.versioned.payloads import decoded
from llm_engineering.infrastructure.vector_stores.versioned.vectors import NO_DENSE, NO_SPARSE, packed, unpacked

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.pgvector.connections import Connection, Connections
    from llm_engineering.infrastructure.vector_stores.pgvector.spec import Pgvector

PAGE = 1_000
WRITTEN = "n, key, id, first, until, document_id, source, uri, fields, payload, sparse, dense"
KINDS = ["int8", *["text"] * 2, *["int4"] * 2, *["text"] * 3, "jsonb", "text", "bytea", "vector"]


class PgvectorEngine(Engine):
    """Tables of one schema of a database."""

    def __init__(self, connections: "Connections", spec: "Pgvector") -> None:
        self._connections = connections
        self._spec = spec
        self._schema = spec.namespace

    @property
    def capabilities(self) -> Capabilities:  # type: ignore[override]
        return self._spec.capabilities

    def records(self, prefix: str) -> Mapping[str, str]:
        def read(connection: "Connection") -> Mapping[str, str]:
            if connection.execute("SELECT to_regclass(%s)", [f"{self._schema}.records"]).fetchone() == (None,):
                return {}
            found = connection.execute(
                f"SELECT key, value FROM {self._schema}.records WHERE starts_with(key, %s)", [prefix]
            )
            return dict(found.fetchall())

        return self._connections.run(read)

    def put(self, key: str, value: str) -> None:
        statement = (
            f"INSERT INTO {self._schema}.records VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        )
        self._do(statement, [key, value])

    def forget(self, keys: Sequence[str]) -> None:
        def delete(connection: "Connection") -> None:
            ensure_schema(connection, self._schema)
            connection.execute(f"DELETE FROM {self._schema}.records WHERE key = ANY(%s)", [list(keys)])

        self._connections.run(delete)

    def create(self, table: str, dimension: int, fields: Sequence[str]) -> None:
        def make(connection: "Connection") -> None:
            ensure_schema(connection, self._schema)
            ensure_table(connection, self._schema, table, dimension, fields)

        self._connections.run(make)

    def drop(self, table: str) -> None:
        self._connections.run(partial(drop_table, schema=self._schema, table=table))

    def indexed(self, table: str) -> Collection[str]:
        return self._connections.run(partial(indexed_fields, schema=self._schema, table=table))

    def write(self, table: str, rows: Sequence[Row]) -> None:
        name = f"{self._schema}.{table}"

        def copy(connection: "Connection") -> None:
            connection.execute(f"DELETE FROM {name} WHERE key = ANY(%s)", [[row.key for row in rows]])
            numbers = connection.execute(
                "SELECT nextval(pg_get_serial_sequence(%s, 'n')) FROM generate_series(1, %s)", [name, len(rows)]
            ).fetchall()
            numbered = [(number, row) for (number,), row in zip(numbers, rows, strict=True)]
            with connection.cursor().copy(f"COPY {name} ({WRITTEN}) FROM STDIN (FORMAT BINARY)") as into:
                into.set_types(KINDS)
                for number, row in numbered:
                    into.write_row(stored(number, row))
            with connection.cursor().copy(f"COPY {name}_terms FROM STDIN (FORMAT BINARY)") as into:
                into.set_types(["int8", "int8", "float4"])
                for number, row in numbered:
                    for term, value in zip(row.sparse.indices, row.sparse.values, strict=True):
                        into.write_row((term, number, value))

        self._connections.run(copy, vectors=True)

    def end(self, table: str, condition: Condition, generation: int) -> None:
        text, values = DIALECT.where(condition)
        self._do(f"UPDATE {self._schema}.{table} r SET until = %s WHERE {text}", [generation, *values])

    def remove(self, table: str, condition: Condition) -> None:
        text, values = DIALECT.where(condition)
        self._do(f"DELETE FROM {self._schema}.{table} r WHERE {text}", values)

    def discard(self, table: str, keys: Sequence[str]) -> None:
        self._do(f"DELETE FROM {self._schema}.{table} WHERE key = ANY(%s)", [list(keys)])

    def rows(self, table: str, condition: Condition, *, vectors: bool) -> Iterator[Row]:
        text, values = DIALECT.where(condition)
        wanted = "r.key, r.id, r.first, r.until, r.payload" + (", r.sparse, r.dense" if vectors else "")
        query = (
            f"SELECT {wanted} FROM {self._schema}.{table} r WHERE r.key > %s AND ({text}) ORDER BY r.key LIMIT {PAGE}"
        )
        last = ""
        while True:
            found = self._asked(query, [last, *values], vectors=vectors)
            for row in found:
                yield row_of(row)
            if len(found) < PAGE:
                return
            last = found[-1][0]

    def count(self, table: str, condition: Condition) -> int:
        text, values = DIALECT.where(condition)
        return int(self._asked(f"SELECT count(*) FROM {self._schema}.{table} r WHERE {text}", values)[0][0])

    def nearest(self, table: str, vector: Vector, condition: Condition, limit: int) -> Sequence[ScoredPoint]:
        search = partial(
            nearest, spec=self._spec, table=table, vector=vector, condition=DIALECT.where(condition), limit=limit
        )
        return scored(self._connections.run(search, vectors=True))

    def expresses(self, condition: Condition) -> bool:
        return DIALECT.expresses(condition)

    def frequencies(self, table: str, terms: Collection[int], condition: Condition) -> tuple[int, Mapping[int, int]]:
        text, values = DIALECT.where(condition)
        name = f"{self._schema}.{table}"
        total = self._asked(f"SELECT count(*) FROM {name} r WHERE r.sparse IS NOT NULL AND ({text})", values)[0][0]
        holders = self._asked(
            f"SELECT t.term, count(*) FROM {name}_terms t JOIN {name} r USING (n) WHERE t.term = ANY(%s) AND ({text}) "
            "GROUP BY t.term",
            [list(terms), *values],
        )
        return int(total), dict(holders)

    def best(self, table: str, weights: Mapping[int, float], condition: Condition, limit: int) -> Sequence[ScoredPoint]:
        name = f"{self._schema}.{table}"
        search = partial(best, name=name, weights=weights, condition=DIALECT.where(condition), limit=limit)
        return scored(self._connections.run(search))

    def optimize(self, table: str) -> None:
        self._connections.alone(partial(build_graph, spec=self._spec, table=table))

    def erase(self, table: str) -> None:
        def rewrite(connection: "Connection") -> None:
            for name in (table, f"{table}_terms"):
                connection.execute(f"VACUUM FULL {self._schema}.{name}")

        self._connections.alone(rewrite)

    def close(self) -> None:
        self._connections.close()

    def _do(self, statement: str, values: Sequence[Any]) -> None:
        self._connections.run(lambda connection: connection.execute(statement, values) and None)

    def _asked(self, query: str, values: Sequence[Any], *, vectors: bool = False) -> list[tuple[Any, ...]]:
        return self._connections.run(
            lambda connection: connection.execute(query, values, binary=vectors).fetchall(), vectors=vectors
        )


def stored(number: int, row: Row) -> tuple[Any, ...]:
    """Return a row as the table has it."""
    from psycopg.types.json import Jsonb

    fields = {name: value for name, value in row.fields.items() if is_storable(name) and is_storable(value)}
    columns = [fields.get(name) if isinstance(fields.get(name), str) else None for name in COLUMNS]
    sparse = packed(row.sparse) or None
    return (
        number, row.key, row.id, row.first, row.until, *columns, Jsonb(fields), row.text, sparse,
        Stored(row.dense.tolist()),
    )  # fmt: skip


def row_of(found: Sequence[Any]) -> Row:
    """Return the row that the table has, with its vectors if they were asked for."""
    key, known, first, until, payload, *vectors = found
    sparse, dense = (unpacked(vectors[0]), array("f", vectors[1].to_list())) if vectors else (NO_SPARSE, NO_DENSE)
    return Row(key, known, first, until, dense, sparse, decoded(payload))


def scored(found: Sequence[tuple[Any, ...]]) -> Sequence[ScoredPoint]:
    """Return hits from rows of id, score and payload."""
    return [ScoredPoint(known, float(score), decoded(payload)) for known, score, payload in found]

"""Searches in PostgreSQL that are right: HNSW where many rows are allowed, a look at each of them where few are.

An HNSW index of pgvector filters its `ef_search` nearest, so under a selective filter it returns too few.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pgvector import Vector as Stored

from llm_engineering.domain.chunks import Vector
from llm_engineering.infrastructure.vector_stores.conditions.sql import Sql
from llm_engineering.infrastructure.vector_stores.pgvector.tables import LARGEST_INDEXED

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.pgvector.connections import Connection
    from llm_engineering.infrastructure.vector_stores.pgvector.spec import Pgvector

# The most candidates that pgvector lets HNSW look at.
MOST_CANDIDATES = 1_000


def nearest(
    connection: "Connection", *, spec: "Pgvector", table: str, vector: Vector, condition: Sql, limit: int
) -> list[tuple[Any, ...]]:
    """Return id, cosine and payload of the nearest rows, best first, equals by id."""
    name, (text, values) = f"{spec.namespace}.{table}", condition
    query = Stored(vector.tolist())
    statement = (
        f"SELECT r.id, 1 - near.distance, r.payload FROM (SELECT r.n, r.dense <=> %s AS distance FROM {name} r "
        f"WHERE {text} ORDER BY distance LIMIT %s) near JOIN {name} r USING (n) ORDER BY near.distance, r.id"
    )
    candidates = max(spec.ef_search, 2 * limit)
    indexable = candidates <= MOST_CANDIDATES and len(vector) <= LARGEST_INDEXED
    if indexable and _are_many(connection, spec, name, condition):
        connection.execute(f"SET LOCAL hnsw.ef_search = {candidates}")
        found = connection.execute(statement, [query, *values, limit]).fetchall()
        if len(found) == limit:
            return found
    # Also orders equals by id, which HNSW could not.
    connection.execute("SET LOCAL enable_indexscan = off")
    exact = statement.replace("ORDER BY distance LIMIT", "ORDER BY distance, r.id LIMIT", 1)
    return connection.execute(exact, [query, *values, limit]).fetchall()


def best(
    connection: "Connection", *, name: str, weights: Mapping[int, float], condition: Sql, limit: int
) -> list[tuple[Any, ...]]:
    """Return id, score and payload of the rows with the highest dot products, best first, equals by id."""
    text, values = condition
    sums = (
        "SELECT t.n, sum(t.value::float8 * w.weight) AS score "
        f"FROM unnest(%s::bigint[], %s::float8[]) AS w (term, weight) JOIN {name}_terms t USING (term) GROUP BY t.n"
    )
    statement = (
        f"SELECT r.id, high.score, r.payload FROM (SELECT s.n, s.score FROM ({sums}) s JOIN {name} r USING (n) "
        f"WHERE s.score > 0 AND ({text}) ORDER BY s.score DESC, r.id LIMIT %s) high JOIN {name} r USING (n) "
        "ORDER BY high.score DESC, r.id"
    )
    return connection.execute(statement, [list(weights), list(weights.values()), *values, limit]).fetchall()


def _are_many(connection: "Connection", spec: "Pgvector", name: str, condition: Sql) -> bool:
    """Return whether more rows than `exact_up_to` are allowed; it counts no further."""
    text, values = condition
    found = connection.execute(
        f"SELECT count(*) FROM (SELECT FROM {name} r WHERE {text} LIMIT %s) few", [*values, spec.exact_up_to + 1]
    ).fetchone()
    return found is not None and found[0] > spec.exact_up_to

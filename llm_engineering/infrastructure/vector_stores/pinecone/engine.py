"""The engine of Pinecone: a version is a namespace of the index, the books are a namespace of their own."""

import json
from array import array
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.conditions import Condition
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.queries import ScoredPoint
from llm_engineering.infrastructure.vector_stores.batches import in_parts
from llm_engineering.infrastructure.vector_stores.conditions.field_tokens import tokens_of
from llm_engineering.infrastructure.vector_stores.pinecone.filters import (
    FOREIGN_ROWS,
    expresses,
    filter_of,
    tokens_of_id,
)
from llm_engineering.infrastructure.vector_stores.versioned.capabilities import Capabilities
from llm_engineering.infrastructure.vector_stores.versioned.engine import Engine, Row
from llm_engineering.infrastructure.vector_stores.versioned.generations import FOREIGN
from llm_engineering.infrastructure.vector_stores.versioned.payloads import decoded
from llm_engineering.infrastructure.vector_stores.versioned.vectors import NO_DENSE, NO_SPARSE, packed, unpacked

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.pinecone.server import PineconeServer
    from llm_engineering.infrastructure.vector_stores.pinecone.spec import Pinecone

# What one request takes: rows read, ids deleted, rows written, and bytes of these (2 MB, with a margin).
PAGE = 100
IDS_PER_DELETE = 1_000
ROWS_PER_WRITE = 500
LARGEST_BODY = 1_500_000
# A row that somebody may see in the console; a delete tells no place in the log, so writing this one does.
MARK = "_mark"
# No collection has such a name.
TABLES = ".tables/"


class PineconeEngine(Engine):
    """The namespaces of an index whose names begin with a prefix."""

    def __init__(self, server: "PineconeServer", spec: "Pinecone") -> None:
        self._server = server
        self._spec = spec

    @property
    def capabilities(self) -> Capabilities:  # type: ignore[override]
        return self._spec.capabilities

    def records(self, prefix: str) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for keys in self._listed("records", prefix):
            rows = self._fetched("records", keys)
            found |= {key: str(row.metadata["value"]) for key, row in rows.items() if row.metadata}
        return found

    def put(self, key: str, value: str) -> None:
        self._upsert("records", [{"id": key, "values": self._probe(), "metadata": {"value": value}}])
        self._settle("records")

    def forget(self, keys: Sequence[str]) -> None:
        self._delete("records", keys)
        self._settle("records")

    def create(self, table: str, dimension: int, fields: Sequence[str]) -> None:
        found = self._server.dimension
        if found != dimension:
            raise UsageError(
                f"the index of Pinecone holds vectors of {found} components, and the model makes {dimension}; name the "
                "host of an index of that dimension in LLM_ENGINEERING_PINECONE_URL"
            )
        described = json.dumps(list(fields))
        if self.records(f"{TABLES}{table}") != {f"{TABLES}{table}": described}:
            self.put(f"{TABLES}{table}", described)

    def drop(self, table: str) -> None:
        namespace = self._name(table)
        if not next(self._listed(table, ""), []):
            return
        # Emptied first: a namespace that is made again at once must not show what the old one held.
        self._server.ask_there(lambda index: index.delete(delete_all=True, namespace=namespace))
        self._mark(table)
        self._settle(table)
        self._server.ask_there(lambda index: index.delete_namespace(name=namespace))
        self.forget([f"{TABLES}{table}"])

    def indexed(self, table: str) -> Collection[str]:
        found = self.records(f"{TABLES}{table}").get(f"{TABLES}{table}", "[]")
        return tuple(json.loads(found))

    def write(self, table: str, rows: Sequence[Row]) -> None:
        self._upsert(table, map(_vector, rows))

    def end(self, table: str, condition: Condition, generation: int) -> None:
        # A change by filter is done some time after it was asked for, and this has to be there when it returns.
        rows = list(self._vectors(table, condition))
        changed = [
            {"id": row.id, "values": row.values, "metadata": {**row.metadata, "until": generation}} for row in rows
        ]
        self._upsert(table, changed)

    def remove(self, table: str, condition: Condition) -> None:
        self._delete(table, [row.id for row in self._vectors(table, condition)])

    def discard(self, table: str, keys: Sequence[str]) -> None:
        self._delete(table, keys)

    def rows(self, table: str, condition: Condition, *, vectors: bool) -> Iterator[Row]:
        for found in self._vectors(table, condition):
            yield _row(found, vectors=vectors)

    def count(self, table: str, condition: Condition) -> int:
        return sum(1 for _ in self._vectors(table, condition))

    def nearest(self, table: str, vector: Vector, condition: Condition, limit: int) -> Sequence[ScoredPoint]:
        allowed, namespace = filter_of(condition), self._name(table)
        if allowed is None:
            return []
        self._settle(table)
        query = vector.tolist()
        answer = self._server.ask_there(
            lambda index: index.query(top_k=limit, vector=query, namespace=namespace, filter=allowed)
        )
        matches = answer.matches if answer else []
        if len(matches) < limit and self._has_more(table, condition, len(matches)):
            return self._all_compared(table, vector, condition, limit)
        scores = {match.id: float(match.score) for match in matches}
        rows = [_row(found, vectors=False) for found in self._fetched(table, list(scores)).values()]
        hits = [ScoredPoint(row.id, scores[row.key], row.payload) for row in rows]
        return sorted(hits, key=lambda hit: (-hit.score, hit.id))

    def expresses(self, condition: Condition) -> bool:
        return expresses(condition)

    def flush(self, table: str) -> None:
        self._settle(table)

    def close(self) -> None:
        self._server.close()

    def _name(self, part: str) -> str:
        return f"{self._spec.prefix}-{part}"

    def _probe(self) -> list[float]:
        return [1.0, *[0.0] * (self._server.dimension - 1)]

    def _settle(self, table: str) -> None:
        self._server.settle(self._name(table))

    def _mark(self, table: str) -> None:
        self._upsert(table, [{"id": MARK, "values": self._probe(), "metadata": {}}])

    def _upsert(self, table: str, vectors: Iterator[Mapping[str, Any]] | Sequence[Mapping[str, Any]]) -> None:
        namespace, rest = self._name(table), iter(vectors)
        per_row = 16 * self._server.dimension + 8_000
        while part := list(islice(rest, max(1, min(ROWS_PER_WRITE, LARGEST_BODY // per_row)))):
            answer = self._server.ask(lambda index, part=part: index.upsert(vectors=part, namespace=namespace))  # type: ignore[misc]
            self._server.wrote(namespace, answer)

    def _delete(self, table: str, keys: Sequence[str]) -> None:
        namespace = self._name(table)
        for part in in_parts(list(keys), IDS_PER_DELETE):
            self._server.ask_there(lambda index, part=part: index.delete(ids=part, namespace=namespace))  # type: ignore[misc]
        if keys:
            self._mark(table)

    def _listed(self, table: str, prefix: str) -> Iterator[list[str]]:
        namespace, token = self._name(table), None
        self._settle(table)
        while True:
            page = self._server.ask_there(
                lambda index, token=token: index.list_paginated(  # type: ignore[misc]
                    prefix=prefix, limit=PAGE, pagination_token=token, namespace=namespace
                )
            )
            if page is None:
                return
            yield [str(one.id) for one in page.vectors]
            token = page.pagination.next if page.pagination else None
            if not token:
                return

    def _fetched(self, table: str, keys: Sequence[str]) -> dict[str, Any]:
        namespace, found = self._name(table), dict[str, Any]()
        for part in in_parts(list(keys), PAGE):
            answer = self._server.ask_there(lambda index, part=part: index.fetch(ids=part, namespace=namespace))  # type: ignore[misc]
            found |= answer.vectors if answer else {}
        return found

    def _vectors(self, table: str, condition: Condition) -> Iterator[Any]:
        """Iterate over the rows as Pinecone has them, page after page."""
        allowed = FOREIGN_ROWS if condition == FOREIGN else filter_of(condition)
        if allowed is None:
            return
        self._settle(table)
        namespace, token = self._name(table), None
        while True:
            page = self._server.ask_there(
                lambda index, token=token: index.fetch_by_metadata(  # type: ignore[misc]
                    filter=allowed, namespace=namespace, limit=PAGE, pagination_token=token
                )
            )
            if page is None:
                return
            yield from (found for found in page.vectors.values() if found.id != MARK)
            token = page.pagination.next if page.pagination else None
            if not token:
                return

    def _has_more(self, table: str, condition: Condition, number: int) -> bool:
        return sum(1 for _ in islice(self._vectors(table, condition), number + 1)) > number

    def _all_compared(self, table: str, vector: Vector, condition: Condition, limit: int) -> Sequence[ScoredPoint]:
        rows = self.rows(table, condition, vectors=True)
        hits = [
            ScoredPoint(row.id, sum(a * b for a, b in zip(vector, row.dense, strict=True)), row.payload) for row in rows
        ]
        return sorted(hits, key=lambda hit: (-hit.score, hit.id))[:limit]


def _vector(row: Row) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "id": row.id,
        "first": row.first,
        "until": row.until,
        "tokens": [*tokens_of(row.fields), tokens_of_id(row.id)],
        "payload": row.text,
    }
    if row.sparse.indices:
        metadata["sparse"] = b64encode(packed(row.sparse)).decode()
    return {"id": row.key, "values": row.dense.tolist(), "metadata": metadata}


def _row(found: Any, *, vectors: bool) -> Row:
    about = found.metadata or {}
    text = about.get("payload")
    dense = array("f", found.values) if vectors else NO_DENSE
    sparse = unpacked(b64decode(about["sparse"])) if vectors and "sparse" in about else NO_SPARSE
    first, until = int(about.get("first", 0)), int(about.get("until", 0))
    return Row(found.id, about.get("id", found.id), first, until, dense, sparse, decoded(text) if text else {})

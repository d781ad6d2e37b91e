"""The engine of Redis: each row is a hash, found through an index of its search module."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from heapq import nsmallest
from typing import TYPE_CHECKING, Any

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.conditions import Condition
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.queries import ScoredPoint
from llm_engineering.infrastructure.vector_stores.redis.keys import Keys
from llm_engineering.infrastructure.vector_stores.redis.queries import (
    both,
    expresses,
    query_of,
    with_sparse,
    with_terms,
)
from llm_engineering.infrastructure.vector_stores.redis.rows import hash_of, row_of
from llm_engineering.infrastructure.vector_stores.versioned.calls import Refused
from llm_engineering.infrastructure.vector_stores.versioned.capabilities import Capabilities
from llm_engineering.infrastructure.vector_stores.versioned.engine import Engine, Row
from llm_engineering.infrastructure.vector_stores.versioned.generations import FOREIGN
from llm_engineering.infrastructure.vector_stores.versioned.payloads import decoded
from llm_engineering.infrastructure.vector_stores.versioned.vectors import (
    unpacked,
)

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.redis.server import RedisServer
    from llm_engineering.infrastructure.vector_stores.redis.spec import RedisSearch

SLIM = ("id", "first", "until", "payload")
SCHEMA = ("tokens", "TAG", "terms", "TAG", "first", "NUMERIC", "until", "NUMERIC", "place", "NUMERIC", "SORTABLE")


class RedisEngine(Engine):
    """The keys of a server that begin with a prefix."""

    def __init__(self, server: "RedisServer", spec: "RedisSearch") -> None:
        self._server = server
        self._spec = spec
        self._keys = Keys(server, spec.prefix)

    @property
    def capabilities(self) -> Capabilities:  # type: ignore[override]
        return self._spec.capabilities

    def records(self, prefix: str) -> Mapping[str, str]:
        found = self._fields("HGETALL", self._keys.name("records"))
        return {key: value for key, value in found.items() if key.startswith(prefix)}

    def put(self, key: str, value: str) -> None:
        self._server.ask("HSET", self._keys.name("records"), key, value)

    def forget(self, keys: Sequence[str]) -> None:
        self._server.ask_all([("HDEL", self._keys.name("records"), key) for key in keys])

    def create(self, table: str, dimension: int, fields: Sequence[str]) -> None:
        found = self._described(table)
        if found.get("dimension", dimension) != dimension:
            raise UsageError(
                f"the index {self._keys.name(table)} holds vectors of {found['dimension']} components, and the model "
                f"makes {dimension}; choose another name under load: collection, or another load: store: prefix"
            )
        self._check_keeping()
        described = json.dumps({"dimension": dimension, "fields": list(fields)})
        self._server.ask("HSET", self._keys.name("tables"), table, described)
        if self._exists(table):
            return
        try:
            self._server.ask("FT.CREATE", *self._definition(table, dimension))
        except Refused as error:
            if "already exists" not in str(error).lower():  # another process was faster
                raise

    def drop(self, table: str) -> None:
        self._keys.gone(table)
        if self._exists(table):
            self._server.ask("FT.DROPINDEX", self._keys.name(table), "DD")
        self._server.ask("HDEL", self._keys.name("tables"), table)

    def indexed(self, table: str) -> Collection[str]:
        return tuple(self._described(table).get("fields", ()))

    def write(self, table: str, rows: Sequence[Row]) -> None:
        self._server.ask_all([("HSET", self._keys.key(table, row.key), *hash_of(row)) for row in rows])

    def end(self, table: str, condition: Condition, generation: int) -> None:
        for keys in self._keys.pages(table, query_of(condition)):
            self._server.ask_all([("HSET", self._keys.key(table, key), "until", generation) for key in keys])

    def remove(self, table: str, condition: Condition) -> None:
        for keys in self._keys.pages(table, query_of(condition)):
            self.discard(table, keys)

    def discard(self, table: str, keys: Sequence[str]) -> None:
        self._server.ask("DEL", *(self._keys.key(table, key) for key in keys))

    def rows(self, table: str, condition: Condition, *, vectors: bool) -> Iterator[Row]:
        fields = (*SLIM, "dense", "sparse") if vectors else SLIM
        for keys in self._keys.foreign(table) if condition == FOREIGN else self._keys.pages(table, query_of(condition)):
            for key, found in zip(keys, self._keys.read(table, keys, fields), strict=True):
                if any(value is not None for value in found):  # else it was removed meanwhile
                    yield row_of(key, *found)

    def count(self, table: str, condition: Condition) -> int:
        return self._keys.count(table, [query_of(condition)])[0]

    def nearest(self, table: str, vector: Vector, condition: Condition, limit: int) -> Sequence[ScoredPoint]:
        allowed = query_of(condition)
        if allowed is False:
            return []
        graph = ("EF_RUNTIME", max(limit, self._spec.ef_runtime)) if self._spec.graph else ()
        hits = self._keys.near(table, vector, allowed, limit, graph)
        if len(hits) < limit and graph:
            hits = self._keys.near(table, vector, allowed, limit, ("HYBRID_POLICY", "ADHOC_BF"))
        found = self._keys.read(table, [key for key, _ in hits], ("id", "payload"))
        scored = [
            ScoredPoint(known.decode(), 1.0 - distance, decoded(payload.decode()))
            for (_, distance), (known, payload) in zip(hits, found, strict=True)
            if known is not None
        ]
        return sorted(scored, key=lambda hit: (-hit.score, hit.id))

    def expresses(self, condition: Condition) -> bool:
        return expresses(condition)

    def frequencies(self, table: str, terms: Collection[int], condition: Condition) -> tuple[int, Mapping[int, int]]:
        listed, seen = list(terms), query_of(condition)
        total, *holders = self._keys.count(
            table, [both(with_sparse(), seen), *(both(with_terms([one]), seen) for one in listed)]
        )
        return total, dict(zip(listed, holders, strict=True))

    def best(self, table: str, weights: Mapping[int, float], condition: Condition, limit: int) -> Sequence[ScoredPoint]:
        def scored() -> Iterator[tuple[float, str, str]]:
            for keys in self._keys.pages(table, both(with_terms(weights), query_of(condition))):
                for key, (known, content) in zip(keys, self._keys.read(table, keys, ("id", "sparse")), strict=True):
                    if known is not None:
                        sparse = unpacked(content)
                        pairs = zip(sparse.indices, sparse.values, strict=True)
                        score = sum(weights[term] * value for term, value in pairs if term in weights)
                        yield -score, known.decode(), key

        high = [hit for hit in nsmallest(limit, scored()) if hit[0] < 0]
        payloads = self._keys.read(table, [key for _, _, key in high], ("payload",))
        return [
            ScoredPoint(known, -negative, decoded(payload.decode()))
            for (negative, known, _), (payload,) in zip(high, payloads, strict=True)
            if payload is not None
        ]

    def close(self) -> None:
        self._server.close()

    def _fields(self, *command: str) -> dict[str, str]:
        found = self._server.ask(*command)
        pairs = found.items() if isinstance(found, dict) else zip(found[::2], found[1::2], strict=True)
        return {name.decode(): value.decode() for name, value in pairs}

    def _described(self, table: str) -> dict[str, Any]:
        found = self._server.ask("HGET", self._keys.name("tables"), table)
        described: dict[str, Any] = json.loads(found) if found else {}
        return described

    def _exists(self, table: str) -> bool:
        return self._keys.name(table).encode() in self._server.ask("FT._LIST")

    def _definition(self, table: str, dimension: int) -> list[Any]:
        kind: list[Any] = ["TYPE", "FLOAT32", "DIM", dimension, "DISTANCE_METRIC", "COSINE"]
        if self._spec.graph:
            kind += ["M", self._spec.m, "EF_CONSTRUCTION", self._spec.ef_construction]
        where = [self._keys.name(table), "ON", "HASH", "PREFIX", 1, self._keys.key(table, "")]
        return [*where, "SCHEMA", *SCHEMA, "dense", "VECTOR", "HNSW" if self._spec.graph else "FLAT", len(kind), *kind]

    def _check_keeping(self) -> None:
        """Refuse a server that throws keys away when its memory is full: it would forget rows and say nothing."""
        about = self._server.ask("INFO", "memory")
        if not isinstance(about, dict):
            lines = (line.split(":", 1) for line in about.decode().splitlines() if ":" in line)
            about = {name: value.strip() for name, value in lines}
        policy = str(about.get("maxmemory_policy", "noeviction"))
        if policy.startswith("allkeys") and int(about.get("maxmemory", 0)):
            raise UsageError(
                f"this Redis throws keys away when its memory is full (maxmemory-policy {policy}), so rows would "
                "vanish; use one with maxmemory-policy noeviction"
            )

"""What things are called in Redis, and the searches of its index: each answers with the keys of rows."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from llm_engineering.domain.chunks import Vector
from llm_engineering.infrastructure.vector_stores.redis.queries import EVERY, Query, both, query_of
from llm_engineering.infrastructure.vector_stores.redis.rows import place_of
from llm_engineering.infrastructure.vector_stores.versioned.generations import FOREIGN

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.redis.server import RedisServer

PAGE = 1_000
MOST_FOREIGN = 10_000
# The server's own limit would cut answers short and not say so; the client's still holds.
SEARCHING = ("DIALECT", 2, "TIMEOUT", 0)


class Keys:
    """The keys of a server that begin with a prefix, and searches for those of a table's rows."""

    def __init__(self, server: "RedisServer", prefix: str) -> None:
        self._server = server
        self._prefix = prefix
        self._ready: set[str] = set()

    def name(self, part: str) -> str:
        """Return what the server calls an index of ours, or a hash of our books."""
        return f"{self._prefix}:{part}"

    def key(self, table: str, key: str) -> str:
        """Return what the server calls a row."""
        return f"{self.name(table)}:{key}"

    def count(self, table: str, queries: Sequence[Query]) -> list[int]:
        """Count the rows that fulfil each query, in one request."""
        self._check_ready(table)
        asked = [self._search(table, query, "NOCONTENT", "LIMIT", 0, 0) for query in queries if query is not False]
        counted = iter([int(found[0]) for found in self._server.ask_all(asked)])
        return [0 if query is False else next(counted) for query in queries]

    def near(
        self, table: str, vector: Vector, allowed: Query, limit: int, graph: tuple[object, ...]
    ) -> list[tuple[str, float]]:
        """Return the nearest rows, by key, with their distances; `graph` is how an approximate search is to be done."""
        self._check_ready(table)
        how = "".join(f" {word}" for word in graph)
        query = f"{EVERY if allowed is True else allowed}=>[KNN $k @dense $v{how} AS distance]"
        given = ("PARAMS", 4, "k", limit, "v", vector.tobytes())
        order = ("SORTBY", "distance", "ASC", "LIMIT", 0, limit, "RETURN", 1, "distance")
        _, *found = self._server.ask(*self._search(table, query, *given, *order))
        return [
            (self._own(table, key), float(values[values.index(b"distance") + 1]))
            for key, values in zip(found[::2], found[1::2], strict=True)
        ]

    def pages(self, table: str, query: Query) -> Iterator[list[str]]:
        """Iterate over the keys of rows in the order of their places, whatever is written or removed meanwhile."""
        if query is False:
            return
        self._check_ready(table)
        last, seen = 0, set[str]()
        while True:
            rest = both(query, f"@place:[{last} +inf]")
            order = ("NOCONTENT", "SORTBY", "place", "ASC", "LIMIT", 0, PAGE)
            _, *found = self._server.ask(*self._search(table, rest, *order))
            keys = [self._own(table, key) for key in found]
            if fresh := [key for key in keys if key not in seen]:
                yield fresh
            if len(keys) < PAGE or not fresh:
                return
            # Two rows may have one place, so the next page begins with the last one's again.
            last = place_of(keys[-1])
            seen = {key for key in keys if place_of(key) == last}

    def foreign(self, table: str) -> Iterator[list[str]]:
        """Iterate over the keys of rows that somebody else put here."""
        self._check_ready(table)
        found = self._server.ask(*self._search(table, query_of(FOREIGN), "NOCONTENT", "LIMIT", 0, MOST_FOREIGN))
        yield [self._own(table, key) for key in found[1:]]

    def read(self, table: str, keys: Sequence[str], fields: Sequence[str]) -> list[Any]:
        """Return these fields of rows, None for those that a row lacks."""
        return self._server.ask_all([("HMGET", self.key(table, key), *fields) for key in keys])

    def gone(self, table: str) -> None:
        """Forget that a table was ready: it is dropped."""
        self._ready.discard(table)

    def _search(self, table: str, query: Query, *more: Any) -> tuple[Any, ...]:
        return ("FT.SEARCH", self.name(table), EVERY if query is True else query, *more, *SEARCHING)

    def _own(self, table: str, key: bytes) -> str:
        return key.decode(errors="replace").removeprefix(self.key(table, ""))

    def _check_ready(self, table: str) -> None:
        """Wait for a server that was started and still reads rows into this index."""
        if table in self._ready:
            return

        def is_ready() -> bool:
            found = self._server.ask("FT.INFO", self.name(table))
            about = dict(zip(found[::2], found[1::2], strict=True))
            return int(float(about.get(b"indexing", 0))) == 0

        self._server.check(is_ready)
        self._ready.add(table)

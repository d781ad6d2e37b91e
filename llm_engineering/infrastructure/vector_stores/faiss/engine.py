"""The engine of `Faiss`: rows, postings and labels in SQLite, nearest vectors by FAISS."""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from loguru import logger

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.conditions import Condition
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.queries import ScoredPoint
from llm_engineering.infrastructure.vector_stores.faiss.conditions import DIALECT
from llm_engineering.infrastructure.vector_stores.faiss.files import BOOKS, TABLE, Files, translated
from llm_engineering.infrastructure.vector_stores.faiss.graph import Graph, Numbers
from llm_engineering.infrastructure.vector_stores.faiss.rows import (
    PAGE,
    Postings,
    delete,
    hits,
    insert,
    mask,
    postings,
    row_of,
    state_of,
)
from llm_engineering.infrastructure.vector_stores.locks import FileLock, Held
from llm_engineering.infrastructure.vector_stores.versioned.capabilities import Capabilities
from llm_engineering.infrastructure.vector_stores.versioned.engine import Engine, Row
from llm_engineering.infrastructure.vector_stores.versions import Overtaken, busy

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.faiss.spec import Faiss

T = TypeVar("T")

BOOKS_FILE = "books"
# Rows that a condition allows, and those that hold a word: remembered until the file changes.
REMEMBERED = 64


class FaissEngine(Engine):
    """The files of one collection."""

    def __init__(self, folder: Path, spec: "Faiss") -> None:
        self._folder = folder
        self._files = Files(folder)
        self._spec = spec
        self._graphs: dict[str, Graph] = {}
        self._allowed: dict[tuple[Any, ...], Numbers] = {}
        self._held: dict[tuple[Any, ...], Postings] = {}
        self._lock = Lock()

    @property
    def capabilities(self) -> Capabilities:  # type: ignore[override]
        return self._spec.capabilities

    def records(self, prefix: str) -> Mapping[str, str]:
        if not self._files.path(BOOKS_FILE).exists():
            return {}
        with self._files.writing(BOOKS_FILE) as books:
            books.execute(BOOKS)
            found = books.execute(
                "SELECT key, value FROM records WHERE substr(key, 1, ?) = ?", [len(prefix), prefix]
            ).fetchall()
        return dict(found)

    def put(self, key: str, value: str) -> None:
        with self._files.writing(BOOKS_FILE) as books:
            books.execute(BOOKS)
            books.execute("INSERT OR REPLACE INTO records VALUES (?, ?)", [key, value])

    def forget(self, keys: Sequence[str]) -> None:
        with self._files.writing(BOOKS_FILE) as books:
            books.execute(BOOKS)
            books.executemany("DELETE FROM records WHERE key = ?", [[key] for key in keys])

    def create(self, table: str, dimension: int, fields: Sequence[str]) -> None:
        with self._files.writing(table) as rows:
            if rows.execute("SELECT 1 FROM sqlite_master WHERE name = 'about'").fetchone() is None:
                for statement in TABLE.split(";")[1:]:
                    rows.execute(statement)
                rows.execute("INSERT INTO about VALUES (?, ?)", [dimension, json.dumps(list(fields))])
            found = rows.execute("SELECT dimension FROM about").fetchone()[0]
        if found != dimension:
            raise UsageError(
                f"{self._files.path(table)} holds vectors of {found} components, and the model makes {dimension}; "
                "choose another name under load: collection"
            )

    def drop(self, table: str) -> None:
        self._graphs.pop(table, None)
        self._files.remove(table)

    def indexed(self, table: str) -> Collection[str]:
        with self._files.reading(table) as rows:
            return tuple(json.loads(rows.execute("SELECT fields FROM about").fetchone()[0]))

    def write(self, table: str, rows: Sequence[Row]) -> None:
        with self._files.writing(table) as into:
            delete(into, f"r.key IN ({', '.join('?' * len(rows))})", [row.key for row in rows])
            for row in rows:
                insert(into, row)

    def end(self, table: str, condition: Condition, generation: int) -> None:
        text, values = DIALECT.where(condition)
        with self._files.writing(table) as rows:
            rows.execute(f"UPDATE rows AS r SET until = ? WHERE {text}", [generation, *values])

    def remove(self, table: str, condition: Condition) -> None:
        with self._files.writing(table) as rows:
            delete(rows, *DIALECT.where(condition))

    def discard(self, table: str, keys: Sequence[str]) -> None:
        with self._files.writing(table) as rows:
            delete(rows, f"r.key IN ({', '.join('?' * len(keys))})", list(keys))

    def rows(self, table: str, condition: Condition, *, vectors: bool) -> Iterator[Row]:
        wanted = "key, id, first, until, payload" + (", sparse, dense" if vectors else "")
        with self._files.reading(table) as rows:
            numbers = self._allowed_by(rows, table, condition)
        for start in range(0, len(numbers), PAGE):
            part = numbers[start : start + PAGE].tolist()
            with self._files.reading(table) as rows:
                query = f"SELECT {wanted} FROM rows WHERE n IN ({', '.join('?' * len(part))})"
                found = rows.execute(query, part).fetchall()
            yield from map(row_of, found)

    def count(self, table: str, condition: Condition) -> int:
        text, values = DIALECT.where(condition)
        with self._files.reading(table) as rows:
            return int(rows.execute(f"SELECT count(*) FROM rows r WHERE {text}", values).fetchone()[0])

    def nearest(self, table: str, vector: Vector, condition: Condition, limit: int) -> Sequence[ScoredPoint]:
        with self._files.reading(table) as rows:
            allowed = self._allowed_by(rows, table, condition)
            graph = self._graph(table, len(vector))
            graph.catch_up(rows, int(allowed.max()) if len(allowed) else 0)
            return hits(rows, graph.nearest(vector, allowed, limit))

    def expresses(self, condition: Condition) -> bool:
        return DIALECT.expresses(condition)

    def frequencies(self, table: str, terms: Collection[int], condition: Condition) -> tuple[int, Mapping[int, int]]:
        with self._files.reading(table) as rows:
            text, values = DIALECT.where(condition)
            query = f"SELECT count(*) FROM rows r WHERE terms > 0 AND ({text})"
            total = int(rows.execute(query, values).fetchone()[0])
            seen = mask(self._allowed_by(rows, table, condition))
            return total, {term: int(seen[self._postings(rows, table, term, len(seen))[0]].sum()) for term in terms}

    def best(self, table: str, weights: Mapping[int, float], condition: Condition, limit: int) -> Sequence[ScoredPoint]:
        with self._files.reading(table) as rows:
            seen = mask(self._allowed_by(rows, table, condition))
            scores = np.zeros(len(seen))
            for term, weight in weights.items():
                numbers, held = self._postings(rows, table, term, len(seen))
                scores[numbers] += weight * held
            found = np.flatnonzero(seen & (scores > 0.0))
            best = found[np.lexsort((found, -scores[found]))[:limit]]
            return hits(rows, [(int(n), float(scores[n])) for n in best])

    @contextmanager
    def writing(self, collection: str, run: int) -> Iterator[None]:
        with translated(self._folder / "writer.lock"):
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self._folder / "writer.lock", run=run)
            last = lock.last_run()
            if 0 < run < last:
                raise Overtaken(run, last, collection)
            try:
                lock.__enter__()
            except Held as held:
                if not 0 < last < run:
                    raise BackendError(busy(collection, str(held)), transient=True) from held
                # Its run was closed, or this one would not have been given the collection; it may write no more.
                logger.warning("collection {!r}: {} stands still and lost its run; taking over", collection, held)
                lock.path.unlink(missing_ok=True)
                lock.__enter__()
        try:
            yield
        finally:
            lock.__exit__(None, None, None)

    def flush(self, table: str) -> None:
        with self._files.reading(table) as rows:
            rows.execute("PRAGMA wal_checkpoint(FULL)")

    def optimize(self, table: str) -> None:
        with self._files.reading(table) as rows:
            self._graph(table, rows.execute("SELECT dimension FROM about").fetchone()[0]).save(rows)

    def erase(self, table: str) -> None:
        with self._files.reading(table) as rows:
            self._graph(table, rows.execute("SELECT dimension FROM about").fetchone()[0]).rewrite(rows)
            rows.execute("VACUUM")
            rows.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self._graphs.clear()
        self._allowed.clear()
        self._held.clear()
        self._files.close()

    def _graph(self, table: str, dimension: int) -> Graph:
        with self._lock:
            if table not in self._graphs:
                self._graphs[table] = Graph(self._folder, table, dimension, self._spec)
            return self._graphs[table]

    def _allowed_by(self, rows: sqlite3.Connection, table: str, condition: Condition) -> Numbers:
        """Return the numbers of the rows that fulfil a condition; remembered while the file stays as it is."""
        text, values = DIALECT.where(condition)

        def look() -> Numbers:
            return np.array(rows.execute(f"SELECT n FROM rows r WHERE {text}", values).fetchall(), np.int64).reshape(-1)

        return self._remembered(self._allowed, (*state_of(rows), table, text, *values), look)

    def _postings(self, rows: sqlite3.Connection, table: str, term: int, size: int) -> Postings:
        """Return the rows that hold a term; common words come again and again."""
        key = (*state_of(rows), table, term, size)
        return self._remembered(self._held, key, lambda: postings(rows, term, size))

    def _remembered(self, known: dict[tuple[Any, ...], T], key: tuple[Any, ...], look: Callable[[], T]) -> T:
        with self._lock:
            if key in known:
                return known[key]
        found = look()
        with self._lock:
            while len(known) >= REMEMBERED:
                known.pop(next(iter(known)))
            known[key] = found
        return found

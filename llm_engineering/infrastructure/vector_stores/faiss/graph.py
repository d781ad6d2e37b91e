"""The vectors of a table in memory, searched by FAISS; a file saves building them again.

The rows in SQLite are the truth. A file `<table>-<n>.faiss` holds vectors of rows up to number n; whoever opens it adds
those that came later. It is written beside the old one and renamed, so a process that dies leaves the one or the other.
A row's vector never changes under its number, so a file may hold rows that are gone: what is allowed decides.
"""

import os
import sqlite3
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from loguru import logger
from numpy.typing import NDArray

from llm_engineering.domain.chunks import Vector
from llm_engineering.infrastructure.vector_stores.folders import sync

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.faiss.spec import Faiss

Numbers = NDArray[np.int64]
Scored = list[tuple[int, float]]

PAGE = 5_000
# Above this share of rows that are gone, the index is built anew at the next publication.
WASTE = 0.3


@dataclass(frozen=True, slots=True)
class Held:
    """An index with the vectors of rows up to number `last`. It is never changed once others may search it."""

    index: Any
    last: int

    @property
    def is_graph(self) -> bool:
        """Whether it is HNSW, not flat."""
        faiss = library()
        return isinstance(faiss.downcast_index(self.index.index), faiss.IndexHNSWFlat)


class Graph:
    """The index of one table: flat up to `exact_up_to` rows, HNSW above. Several threads may search it."""

    def __init__(self, folder: Path, table: str, dimension: int, spec: "Faiss") -> None:
        self._folder = folder
        self._table = table
        self._dimension = dimension
        self._spec = spec
        self._lock = Lock()
        self._held = self._loaded()

    def catch_up(self, connection: sqlite3.Connection, last: int) -> None:
        """Add the vectors of rows that came since, if rows up to number `last` are not there.

        FAISS must not be searched while something is added, so it is added to a copy.
        """
        with self._lock:
            if last > self._held.last:
                self._held = self._grown(connection, Held(library().clone_index(self._held.index), self._held.last))

    def nearest(self, vector: Vector, allowed: Numbers, limit: int) -> Scored:
        """Return number and cosine of the nearest among the allowed rows, best first: as many as there are."""
        query = np.frombuffer(vector, dtype=np.float32).reshape(1, -1)
        limit, held = min(limit, len(allowed)), self._held
        if not limit:
            return []
        if len(allowed) <= self._spec.exact_up_to:
            return self._among(held, query, allowed, limit)
        faiss = library()
        bits = np.zeros(int(allowed.max()) + 1, dtype=bool)
        bits[allowed] = True
        selector = faiss.IDSelectorBitmap(np.packbits(bits, bitorder="little"))
        if held.is_graph:
            effort = max(self._spec.ef_search, 2 * limit)
            settings = faiss.SearchParametersHNSW(sel=selector, efSearch=effort)
        else:
            settings = faiss.SearchParameters(sel=selector)
        scores, numbers = held.index.search(query, limit, params=settings)
        found = [(int(n), float(score)) for n, score in zip(numbers[0], scores[0], strict=True) if n >= 0]
        return found if len(found) == limit else self._among(held, query, allowed, limit)

    def save(self, connection: sqlite3.Connection) -> None:
        """Write the file that the next process opens, of the rows that are there, if the one there is no good."""
        last, rows = connection.execute("SELECT coalesce(max(n), 0), count(*) FROM rows").fetchone()
        self.catch_up(connection, last)
        wants_graph = rows > self._spec.exact_up_to
        waste = self._held.index.ntotal - rows
        if wants_graph != self._held.is_graph or waste > WASTE * rows:
            self._rebuild(connection, graph=wants_graph)
        held = self._held
        path = self._folder / f"{self._table}-{held.last}.faiss"
        if held.last and not path.exists() and self._written(held, path):
            for old in self._folder.glob(f"{self._table}-*.faiss*"):
                if old != path:
                    old.unlink(missing_ok=True)

    def rewrite(self, connection: sqlite3.Connection) -> None:
        """Forget the rows that are gone, in memory and in the files."""
        self._rebuild(connection, graph=self._held.is_graph)
        for old in self._folder.glob(f"{self._table}-*.faiss*"):
            old.unlink(missing_ok=True)
        self.save(connection)

    def _written(self, held: Held, path: Path) -> bool:
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            library().write_index(held.index, str(part))
        except RuntimeError as error:  # FAISS's own for a full disk; the rows are safe, and the next one builds it
            logger.warning("the file {} could not be written ({}); each process builds it anew", path, error)
            part.unlink(missing_ok=True)
            return False
        sync(part)
        part.replace(path)
        return True

    def _rebuild(self, connection: sqlite3.Connection, *, graph: bool) -> None:
        with self._lock:
            self._held = self._grown(connection, Held(self._made(graph=graph), 0))

    def _grown(self, connection: sqlite3.Connection, held: Held) -> Held:
        """Add the rows above its last one to an index that nobody else has."""
        last = held.last
        query = "SELECT n, dense FROM rows WHERE n > ? ORDER BY n LIMIT ?"
        while found := connection.execute(query, [last, PAGE]).fetchall():
            numbers = np.array([n for n, _ in found], dtype=np.int64)
            vectors = np.frombuffer(b"".join(dense for _, dense in found), dtype=np.float32)
            held.index.add_with_ids(vectors.reshape(len(found), self._dimension), numbers)
            last = found[-1][0]
        return Held(held.index, last)

    def _among(self, held: Held, query: NDArray[np.float32], allowed: Numbers, limit: int) -> Scored:
        try:
            vectors = held.index.reconstruct_batch(allowed)
        except RuntimeError:  # a row went before its vector came, by another process
            allowed = allowed[np.isin(allowed, library().vector_to_array(held.index.id_map))]
            vectors = held.index.reconstruct_batch(allowed)
        scores = vectors @ query[0]
        # Equals in the order of the rows, so that the same question gets the same answer.
        best = np.lexsort((allowed, -scores))[:limit]
        return [(int(allowed[place]), float(scores[place])) for place in best]

    def _loaded(self) -> Held:
        for path in sorted(self._folder.glob(f"{self._table}-*.faiss"), key=_covered, reverse=True):
            try:
                index = library().read_index(str(path))
            except RuntimeError as error:
                if path.exists():
                    logger.warning("{} cannot be read ({}); its vectors are taken from the rows", path, error)
                continue
            if index.d == self._dimension:
                return Held(index, _covered(path))
        return Held(self._made(graph=False), 0)

    def _made(self, *, graph: bool) -> Any:
        faiss = library()
        if not graph:
            return faiss.IndexIDMap2(faiss.IndexFlatIP(self._dimension))
        inner = faiss.IndexHNSWFlat(self._dimension, self._spec.m, faiss.METRIC_INNER_PRODUCT)
        inner.hnsw.efConstruction = self._spec.ef_construction
        return faiss.IndexIDMap2(inner)


def library() -> Any:
    """Import FAISS; what it says of its own types is not what it takes."""
    return import_module("faiss")


def _covered(path: Path) -> int:
    number = path.stem.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0

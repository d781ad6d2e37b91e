"""The rows of a table that FAISS searches, as SQLite has them: written, removed, read, and their postings."""

import sqlite3
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_engineering.domain.queries import ScoredPoint
from llm_engineering.infrastructure.vector_stores.batches import in_parts
from llm_engineering.infrastructure.vector_stores.faiss.conditions import is_text, label
from llm_engineering.infrastructure.vector_stores.faiss.graph import Numbers
from llm_engineering.infrastructure.vector_stores.versioned.engine import Row
from llm_engineering.infrastructure.vector_stores.versioned.payloads import decoded
from llm_engineering.infrastructure.vector_stores.versioned.vectors import (
    NO_DENSE,
    NO_SPARSE,
    dense_of,
    packed,
    unpacked,
)

Postings = tuple[NDArray[np.int32], NDArray[np.float32]]

PAGE = 1_000


def insert(into: sqlite3.Connection, row: Row) -> None:
    """Insert a row with its postings and labels."""
    sparse = packed(row.sparse) or None
    values = [row.key, row.id, row.first, row.until, row.text, len(row.sparse.indices), sparse, row.dense.tobytes()]
    columns = "key, id, first, until, payload, terms, sparse, dense"
    n = into.execute(f"INSERT INTO rows ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values).lastrowid
    terms = zip(row.sparse.indices, row.sparse.values, strict=True)
    into.executemany("INSERT INTO terms VALUES (?, ?, ?)", [(term, n, value) for term, value in terms])
    labels = [(name, label(value), n) for name, value in row.fields.items() if is_text(name)]
    into.executemany("INSERT INTO labels VALUES (?, ?, ?)", labels)


def delete(rows: sqlite3.Connection, text: str, values: Sequence[Any]) -> None:
    """Delete rows with their postings and labels."""
    found = rows.execute(f"SELECT n, sparse FROM rows r WHERE {text}", values).fetchall()
    for n, sparse in found:
        rows.executemany("DELETE FROM terms WHERE term = ? AND n = ?", [(t, n) for t in unpacked(sparse).indices])
        rows.execute("DELETE FROM labels WHERE n = ?", [n])
        rows.execute("DELETE FROM rows WHERE n = ?", [n])


def mask(allowed: Numbers) -> NDArray[np.bool_]:
    """Return for each number of a row whether it is allowed."""
    seen = np.zeros(int(allowed.max()) + 1 if len(allowed) else 1, dtype=bool)
    seen[allowed] = True
    return seen


def postings(rows: sqlite3.Connection, term: int, size: int) -> Postings:
    """Return the rows that hold a term, those with a number below `size`, and their values."""
    found = rows.execute("SELECT n, value FROM terms WHERE term = ? AND n < ?", [term, size]).fetchall()
    pairs = np.array(found, dtype=np.float64).reshape(-1, 2)
    return pairs[:, 0].astype(np.int32), pairs[:, 1].astype(np.float32)


def state_of(rows: sqlite3.Connection) -> tuple[int, int, int]:
    """Return what changes whenever the file may have: by this connection, or by another one."""
    return id(rows), rows.execute("PRAGMA data_version").fetchone()[0], rows.total_changes


def hits(rows: sqlite3.Connection, scored: Sequence[tuple[int, float]]) -> Sequence[ScoredPoint]:
    """Return the hits of numbered rows, in this order; of equals, by id."""
    found: dict[int, tuple[str, str]] = {}
    for part in in_parts(scored, PAGE):
        numbers = [n for n, _ in part]
        query = f"SELECT n, id, payload FROM rows WHERE n IN ({', '.join('?' * len(numbers))})"
        found |= {n: (known, payload) for n, known, payload in rows.execute(query, numbers)}
    there = [(score, *found[n]) for n, score in scored if n in found]
    there.sort(key=lambda hit: (-hit[0], hit[1]))
    return [ScoredPoint(known, score, decoded(payload)) for score, known, payload in there]


def row_of(found: Sequence[Any]) -> Row:
    """Return the row that the table has, with its vectors if they were asked for."""
    key, known, first, until, payload, *vectors = found
    sparse, dense = (unpacked(vectors[0]), dense_of(vectors[1])) if vectors else (NO_SPARSE, NO_DENSE)
    return Row(key, known, first, until, dense, sparse, decoded(payload))

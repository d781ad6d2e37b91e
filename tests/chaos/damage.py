"""Ways to damage an index behind the back of everything that keeps it: through the engine, through SQL, on the disk."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import qdrant_edge as qdrant
from chaos.oracle import layout_of, published

from llm_engineering.infrastructure.vector_stores import QdrantEdge
from llm_engineering.infrastructure.vector_stores.qdrant_edge.index import EdgeIndex
from llm_engineering.infrastructure.vector_stores.qdrant_edge.layout import read_manifest
from llm_engineering.infrastructure.vector_stores.qdrant_edge.terms import payload_path

SOME = 5


@contextmanager
def engine(folder: Path) -> Iterator[tuple[qdrant.EdgeShard, list[str]]]:
    """Open a shard as any program with the engine can, and give the ids of its points."""
    index = EdgeIndex.load(folder, read_manifest(folder), QdrantEdge())
    try:
        yield index._shard, list(index.ids())
        index._shard.flush()
    finally:
        index.close()


def delete_points(folder: Path) -> None:
    with engine(folder) as (shard, ids):
        shard.update(qdrant.UpdateOperation.delete_points(ids[:SOME]))


def add_points(folder: Path) -> None:
    foreign = [f"00000000-0000-4000-8000-{number:012}" for number in range(SOME)]
    with engine(folder) as (shard, _):
        points = [
            qdrant.Point(name, {"dense": [1.0] * 32, "sparse": qdrant.SparseVector([1], [1.0])}, {"text": "foreign"})
            for name in foreign
        ]
        shard.update(qdrant.UpdateOperation.upsert_points(points))


def change_payloads(folder: Path) -> None:
    with engine(folder) as (shard, ids):
        shard.update(qdrant.UpdateOperation.set_payload(ids[:SOME], {"text": "what it said a year ago"}))


def change_vectors(folder: Path) -> None:
    with engine(folder) as (shard, ids):
        vectors = [qdrant.PointVectors(name, {"dense": [0.5] * 32}) for name in ids[:SOME]]
        shard.update(qdrant.UpdateOperation.update_vectors(vectors))


def drop_payload_index(folder: Path) -> None:
    with engine(folder) as (shard, _):
        shard.update(qdrant.UpdateOperation.delete_field_index(payload_path("metadata.path")))


def lose_ledger_rows(home: Path) -> None:
    with closing(sqlite3.connect(home / "warehouse.db")) as connection, connection:
        chosen = f"SELECT chunk_id FROM indexed_chunks ORDER BY chunk_id LIMIT {SOME}"
        connection.execute(f"DELETE FROM indexed_chunks WHERE chunk_id IN ({chosen})")


def leave_half_a_batch(home: Path) -> None:
    """Take a document out of the ledger and leave its points, and take half the points of another one."""
    folder = layout_of(home).version("v1")
    with closing(sqlite3.connect(home / "warehouse.db")) as connection, connection:
        first, second = (
            row[0] for row in islice(connection.execute("SELECT document_id FROM indexed_documents ORDER BY 1"), 2)
        )
        half = [
            row[0] for row in connection.execute("SELECT chunk_id FROM indexed_chunks WHERE document_id = ?", [second])
        ][::2]
        for table in ("indexed_chunks", "indexed_documents"):
            connection.execute(f"DELETE FROM {table} WHERE document_id = ?", [first])
    with engine(folder) as (shard, _):
        shard.update(qdrant.UpdateOperation.delete_points(half))


@dataclass(frozen=True)
class Damage:
    """A way to damage a home: the problems that have to be found, and whether a run mends them by itself."""

    name: str
    do: Callable[[Path], None]
    kinds: frozenset[str]
    run_heals: bool = True


def _working(do: Callable[[Path], None]) -> Callable[[Path], None]:
    return lambda home: do(layout_of(home).version("v1"))


def _published(do: Callable[[Path], None]) -> Callable[[Path], None]:
    return lambda home: do(published(home))


DAMAGES = [
    Damage("points deleted", _working(delete_points), frozenset({"missing_points"})),
    Damage("foreign points", _working(add_points), frozenset({"foreign_points"})),
    Damage("ledger rows lost", lose_ledger_rows, frozenset({"lost_ledger_rows", "foreign_points"})),
    Damage("stale payloads", _working(change_payloads), frozenset({"stale_payloads"}), run_heals=False),
    Damage("vectors of another model", _working(change_vectors), frozenset({"wrong_vectors"}), run_heals=False),
    Damage("half a batch", leave_half_a_batch, frozenset({"missing_points", "foreign_points"})),
    Damage("a payload index missing", _working(drop_payload_index), frozenset({"missing_payload_indexes"})),
]

PUBLISHED = [
    Damage("points deleted", _published(delete_points), frozenset({"missing_points"})),
    Damage("foreign points", _published(add_points), frozenset({"foreign_points"})),
    Damage("stale payloads", _published(change_payloads), frozenset({"stale_payloads"})),
    Damage("vectors of another model", _published(change_vectors), frozenset({"wrong_vectors"})),
    Damage("a payload index missing", _published(drop_payload_index), frozenset({"missing_payload_indexes"})),
]

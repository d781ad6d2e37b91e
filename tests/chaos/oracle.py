"""What two homes must have in common: everything that a run made, less its times and the numbers of the runs."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from hashlib import blake2b
from pathlib import Path

from llm_engineering.domain.chunks import Point
from llm_engineering.infrastructure.vector_stores import QdrantEdge
from llm_engineering.infrastructure.vector_stores.qdrant_edge.index import EdgeIndex
from llm_engineering.infrastructure.vector_stores.qdrant_edge.layout import Layout, read_manifest

Dump = Mapping[str, Mapping[str, str]]

# Without the runs, whose numbers differ, and without ids that the database gives.
LEDGER = """SELECT collection || number || d.document_id, content_hash || chunks FROM indexed_documents d
    JOIN index_versions v ON v.id = d.index_id"""
LEDGER_CHUNKS = """SELECT collection || number || document_id || chunk_id, text_hash || digest FROM indexed_chunks c
    JOIN index_versions v ON v.id = c.index_id"""
ACTIVATIONS = "SELECT row_number() OVER (ORDER BY number), version || kind || left_version FROM activations"
DOCUMENTS = """SELECT d.id, d.uri || d.key || d.source || d.content_hash || d.live || v.format || v.metadata || v.text
    FROM documents d JOIN document_versions v ON v.document_id = d.id AND v.version = d.version"""
VERSIONS = (
    "SELECT document_id, group_concat(content_hash) FROM (SELECT * FROM document_versions ORDER BY version) GROUP BY 1"
)
VECTORS = "SELECT model_digest || text_hash, hex(vector) FROM vectors"


def point_text(point: Point) -> str:
    """Return a digest of everything that a point is: payload, dense vector bit for bit, sparse vector."""
    text = json.dumps(
        [point.id, point.payload, list(point.sparse.indices), list(point.sparse.values)], sort_keys=True, default=dict
    )
    return blake2b(text.encode() + point.dense.tobytes(), digest_size=12).hexdigest()


def points_in(folder: Path) -> dict[str, str]:
    """Return point id → digest of a version's folder or of a published copy."""
    index = EdgeIndex.load(folder, read_manifest(folder), QdrantEdge())
    try:
        return {point.id: point_text(point) for point in index.scan()}
    finally:
        index.close()


def unfindable_in(folder: Path, most: int = 60) -> dict[str, str]:
    """Return which of some points are not found by their own vectors, or whose document does not filter them."""
    index = EdgeIndex.load(folder, read_manifest(folder), QdrantEdge())
    lost: dict[str, str] = {}
    try:
        points = list(index.scan())
        sizes = Counter(str(point.payload["document_id"]) for point in points)
        for point in points[:: max(1, len(points) // most)]:
            document = str(point.payload["document_id"])
            if index.search_dense(point.dense, 1)[0].score < 0.999:
                lost[point.id] = "dense"
            only = {"document_id": document}
            if point.id not in [found.id for found in index.search_sparse(point.sparse, sizes[document], only)]:
                lost[point.id] = "sparse"
            if index.count(only) != sizes[document]:
                lost[point.id] = "filter"
    finally:
        index.close()
    return lost


def states_in(folder: Path) -> dict[str, dict[str, str]]:
    """Return document id → point id → digest."""
    index = EdgeIndex.load(folder, read_manifest(folder), QdrantEdge())
    states: dict[str, dict[str, str]] = {}
    try:
        for point in index.scan():
            states.setdefault(str(point.payload["document_id"]), {})[point.id] = point_text(point)
    finally:
        index.close()
    return states


def layout_of(home: Path, collection: str = "test") -> Layout:
    return Layout(home / "feature_store" / collection)


def published(home: Path) -> Path:
    """Return the copy that readers open."""
    copy = layout_of(home).active_copy()
    assert copy is not None, "nothing was published"
    return copy


def dump(home: Path) -> Dump:
    """Return all that must be equal: part → key → value."""
    layout = layout_of(home)
    copy = published(home)
    parts = {"published": points_in(copy), "seen": {"version": read_manifest(copy).version}}
    parts["unfindable"] = unfindable_in(copy)
    for version in layout.versions():
        parts[f"working {version}"] = points_in(layout.version(version))
        parts[f"unfindable {version}"] = unfindable_in(layout.version(version))
    return {**parts, **dump_warehouse(home)}


def dump_warehouse(home: Path) -> Dump:
    queries = {
        "ledger": LEDGER,
        "activations": ACTIVATIONS,
        "chunks": LEDGER_CHUNKS,
        "documents": DOCUMENTS,
        "versions": VERSIONS,
        "vectors": VECTORS,
    }
    with closing(sqlite3.connect(home / "warehouse.db")) as connection:
        return {name: dict(connection.execute(query).fetchall()) for name, query in queries.items()}


def differences(expected: Dump, found: Dump) -> list[str]:
    """Say where two dumps differ, in a line for each part."""
    return [
        line for part in sorted({*expected, *found}) for line in _differences(part, expected.get(part), found.get(part))
    ]


def _differences(part: str, expected: Mapping[str, str] | None, found: Mapping[str, str] | None) -> Iterator[str]:
    if expected is None or found is None:
        yield f"{part}: {'only found' if expected is None else 'not found'}"
        return
    lacking, extra = expected.keys() - found.keys(), found.keys() - expected.keys()
    other = {key for key in expected.keys() & found.keys() if expected[key] != found[key]}
    for what, keys in (("lacking", lacking), ("extra", extra), ("different", other)):
        if keys:
            yield f"{part}: {len(keys)} {what}, such as {sorted(keys)[0]}"


def leftovers(home: Path) -> list[str]:
    """Return what no finished run should leave behind: half copies, marks of unfinished work, spools, running runs."""
    layout = layout_of(home)
    paths = [
        *layout.root.rglob("*.part"),
        *layout.root.glob("versions/*/at-work"),
        *layout.root.glob("versions/*/changed"),
    ]
    spools = list((home / "spool").glob("*"))
    with closing(sqlite3.connect(home / "warehouse.db")) as connection:
        runs = connection.execute("SELECT run FROM runs WHERE status = 'running'").fetchall()
        held = connection.execute("SELECT resource FROM holds").fetchall()
    return [str(found) for found in [*paths, *spools, *runs, *held]]

"""The collections of a home and of its warehouse, and the stores that hold them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from llm_engineering.domain.ports import VectorStore, Warehouse
from llm_engineering.infrastructure.settings import Settings
from llm_engineering.infrastructure.vector_stores import Qdrant, QdrantEdge
from llm_engineering.infrastructure.vector_stores.edge_layout import NAME


def collections_of(home: Path, warehouse: Warehouse) -> Sequence[str]:
    """Return the names of all collections that have a ledger, or a folder in the embedded store."""
    folders = {path.name for path in (home / "feature_store").glob("*") if path.is_dir() and NAME.fullmatch(path.name)}
    return sorted(folders | {collection for collection, _ in warehouse.index_records()})


def stores_of(home: Path, collection: str, run: int) -> Iterator[VectorStore]:
    """Yield the opened stores that may hold a collection."""
    if (home / "feature_store" / collection).is_dir():
        yield QdrantEdge().open(home, collection, run)
    if url := Settings().qdrant_url:
        yield Qdrant(url=url).open(home, collection, run)

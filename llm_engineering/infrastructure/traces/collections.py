"""The collections of a home and of its warehouse, and the stores that hold them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from llm_engineering.domain.ports import VectorStore, Warehouse
from llm_engineering.infrastructure.settings import Settings
from llm_engineering.infrastructure.vector_stores import ENGINES, Qdrant, QdrantEdge
from llm_engineering.infrastructure.vector_stores.qdrant_edge.layout import NAME
from llm_engineering.infrastructure.vector_stores.versioned.spec import FOLDER


def collections_of(home: Path, warehouse: Warehouse) -> Sequence[str]:
    """Return the names of all collections that have a ledger, or a folder in an embedded store."""
    places = (*(home / "feature_store").glob("*"), *(home / FOLDER).glob("*/*"))
    folders = {path.name for path in places if path.is_dir() and NAME.fullmatch(path.name)}
    return sorted(folders | {collection for collection, _ in warehouse.index_records()})


def stores_of(home: Path, collection: str, run: int) -> Iterator[VectorStore]:
    """Yield the opened stores that may hold a collection, as far as the home and the environment name them."""
    if (home / "feature_store" / collection).is_dir():
        yield QdrantEdge().open(home, collection, run)
    if url := Settings().qdrant_url:
        yield Qdrant(url=url).open(home, collection, run)
    for engine in ENGINES:
        spec = engine.of_home(home, collection)
        if spec is not None:
            yield spec.open(home, collection, run)

"""The embedded feature store: Qdrant's engine in this process."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.vector_stores.qdrant_edge.layout import Layout, checked_name
from llm_engineering.infrastructure.vector_stores.versioned.capabilities import Capabilities

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.qdrant_edge.store import EdgeStore


class QdrantEdge(Value):
    """Keep the index in the home folder, in Qdrant's own format, without a server."""

    title: ClassVar[str] = "Qdrant Edge"
    capabilities: ClassVar[Capabilities] = Capabilities(
        runs="embedded",
        dense="exact, then approximate",
        sparse="engine",
        filters="engine",
        several_processes=True,
        several_machines=False,
        erases_bytes=True,
        tested_with="the real engine",
    )

    kind: Literal["qdrant_edge"] = "qdrant_edge"
    exact_up_to: int = Field(
        50_000,
        ge=1_000,
        le=100_000_000,
        description="points up to which dense search scans all vectors: exact, 7 ms for 50,000. Above it, publishing "
        "builds an HNSW graph: 0.5 ms a search, once 25 seconds on two cores for 100,000 points",
    )
    quantization: Literal["none", "int8"] = Field(
        "int8",
        description="what the HNSW graph is made and searched by: the vectors as they are, or copies of a byte for "
        "each number, a third of the time and a tenth more on disk; the best hits are scored again in full",
    )
    search_threads: int = Field(0, ge=0, le=256, description="threads of one search; 0 = as many as there are cores")

    def open(self, home: Path, collection: str, run: int = 0) -> "EdgeStore":
        """Return the store of a collection; nothing is created before the first write.

        `run` is the run that writes, and its fencing token: a writer of a higher run takes the store from one of a
        lower run, because the warehouse gives a collection to one living run only. 0 takes nothing from anybody.
        """
        from llm_engineering.infrastructure.vector_stores.qdrant_edge.store import EdgeStore

        return EdgeStore(Layout(home / "feature_store" / checked_name(collection, "collection")), self, run)

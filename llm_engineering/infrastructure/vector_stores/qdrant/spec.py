"""The feature store on a Qdrant server, cluster or cloud.

A version is a Qdrant collection `<collection>__<version>`, the active one has the alias `<collection>`. Points carry
the generations between which they are to be seen, so readers never see a writer at work (see `generations.py`).
`VersionedStore` keeps them, as it does those of engines; the points are not kept behind the port `Engine`, because
this server filters, counts and ranks all that we ask for by itself.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.settings import Settings
from llm_engineering.infrastructure.vector_stores.qdrant_edge.layout import checked_name
from llm_engineering.infrastructure.vector_stores.versioned.capabilities import Capabilities

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.versioned.store import VersionedStore


class Qdrant(Value):
    """Keep the index on a Qdrant server. The API key is read from LLM_ENGINEERING_QDRANT_API_KEY and nowhere else."""

    title: ClassVar[str] = "Qdrant"
    capabilities: ClassVar[Capabilities] = Capabilities(
        runs="server",
        dense="exact, then approximate",
        sparse="engine",
        filters="engine",
        several_processes=True,
        several_machines=True,
        tested_with="a stand-in that speaks its routes; a real server by `pytest -m qdrant_server`",
    )

    kind: Literal["qdrant"] = "qdrant"
    url: str = Field(
        "", description="for example https://qdrant.example.org:6333; empty: LLM_ENGINEERING_QDRANT_URL says it"
    )
    timeout_seconds: int = Field(30, ge=1, le=3600, description="for one request")
    patience_seconds: float = Field(
        60.0, ge=0, le=86_400, description="how long a server that is away or overloaded is asked again"
    )
    batch: int = Field(256, ge=1, le=10_000, description="points in one request; larger ones are split if refused")
    reader_seconds: float = Field(
        300.0,
        ge=0,
        le=86_400,
        description="how long what a publication replaced stays for those who opened the index before it",
    )
    prefer_grpc: bool = Field(False, description="use gRPC (port 6334) where the client can")
    allow_insecure_key: bool = Field(
        False, description="send the API key over plain http to another machine; anybody on the way can read it"
    )
    shard_number: int | None = Field(None, ge=1, le=1024, description="of a new version; null: the server decides")
    replication_factor: int | None = Field(None, ge=1, le=16, description="of a new version; null: the server decides")
    on_disk: bool = Field(False, description="keep the vectors of a new version on disk: less memory, slower")
    quantization: Literal["none", "int8", "binary"] = Field(
        "none", description="compress the vectors of a new version in memory; the best hits are scored again in full"
    )

    def open(self, home: Path, collection: str, run: int = 0) -> "VersionedStore":  # noqa: ARG002 - state is remote
        """Return the store of a collection; the server is first asked when something is read or written.

        Raises:
            UsageError: there is no URL, or the API key would travel in the clear.
        """
        from llm_engineering.infrastructure.vector_stores.qdrant.catalog import Catalog
        from llm_engineering.infrastructure.vector_stores.qdrant.index import QdrantIndex
        from llm_engineering.infrastructure.vector_stores.qdrant.server import connect
        from llm_engineering.infrastructure.vector_stores.versioned.store import VersionedStore

        checked_name(collection, "collection")
        settings = Settings()
        server = connect(self, self.url or settings.qdrant_url, settings.qdrant_api_key.get_secret_value())
        return VersionedStore(Catalog(server, collection, self), partial(QdrantIndex, server, self), run)

"""The feature store in Chroma: files of this machine, or a server."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from llm_engineering.infrastructure.vector_stores.located import LocatedSpec
from llm_engineering.infrastructure.vector_stores.versioned.capabilities import Capabilities
from llm_engineering.infrastructure.vector_stores.versioned.engine import Engine


class Chroma(LocatedSpec):
    """Keep the index in Chroma: in the home, in another folder, or on a server; without its telemetry."""

    title: ClassVar[str] = "Chroma"
    extra: ClassVar[str] = "chroma"
    package: ClassVar[str] = "chromadb"
    example: ClassVar[str] = "http://user:${env:CHROMA_PASSWORD}@host:8000"
    schemes: ClassVar[tuple[str, ...]] = ("http", "https")
    capabilities: ClassVar[Capabilities] = Capabilities(
        runs="embedded",
        dense="approximate",
        sparse="this package",
        filters="engine, rest here",
        several_processes=False,
        several_machines=False,
        tested_with="the real engine, embedded and as a server",
        largest_search=10_000,
    )

    kind: Literal["chroma"] = "chroma"
    tenant: str = Field("default_tenant", min_length=1, description="tenant of a server")
    database: str = Field("default_database", min_length=1, description="database of a server")
    ef_search: int = Field(200, ge=10, le=10_000, description="candidates that HNSW looks at")
    m: int = Field(16, ge=4, le=100, description="links of a row in HNSW")
    ef_construction: int = Field(100, ge=8, le=10_000, description="candidates while HNSW is built")

    def engine(self, home: Path, collection: str) -> Engine:
        from llm_engineering.infrastructure.vector_stores.chroma.client import ChromaClient
        from llm_engineering.infrastructure.vector_stores.chroma.engine import ChromaEngine

        folder = None if self.is_elsewhere() else self.folder(home, collection)
        return ChromaEngine(ChromaClient(self, folder, "" if folder else self.address(), self.place(home)), self)

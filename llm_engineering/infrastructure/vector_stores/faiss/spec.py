"""The feature store in files of this machine, searched by FAISS."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from llm_engineering.infrastructure.vector_stores.versioned.capabilities import Capabilities
from llm_engineering.infrastructure.vector_stores.versioned.engine import Engine
from llm_engineering.infrastructure.vector_stores.versioned.spec import FOLDER, EngineSpec


class Faiss(EngineSpec):
    """Keep the index in the home: rows in SQLite, their vectors also in memory and in a file of FAISS."""

    title: ClassVar[str] = "FAISS"
    extra: ClassVar[str] = "faiss"
    package: ClassVar[str] = "faiss"
    capabilities: ClassVar[Capabilities] = Capabilities(
        runs="embedded",
        dense="exact, then approximate",
        sparse="this package",
        filters="this package",
        several_processes=True,
        several_machines=False,
        erases_bytes=True,
        tested_with="the real engine",
    )

    kind: Literal["faiss"] = "faiss"
    exact_up_to: int = Field(
        20_000, ge=0, description="rows up to which a search looks at all of them; above, HNSW is used"
    )
    ef_search: int = Field(100, ge=10, le=10_000, description="candidates that HNSW looks at, where it is used")
    m: int = Field(16, ge=4, le=100, description="links of a row in HNSW")
    ef_construction: int = Field(100, ge=8, le=10_000, description="candidates while HNSW is built")

    def engine(self, home: Path, collection: str) -> Engine:
        from llm_engineering.infrastructure.vector_stores.faiss.engine import FaissEngine

        return FaissEngine(home / FOLDER / self.name() / collection, self)

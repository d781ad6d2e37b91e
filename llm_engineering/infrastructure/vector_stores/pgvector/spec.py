"""The feature store in PostgreSQL, with the extension pgvector."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from llm_engineering.infrastructure.vector_stores.versioned.capabilities import Capabilities
from llm_engineering.infrastructure.vector_stores.versioned.engine import Engine
from llm_engineering.infrastructure.vector_stores.versioned.spec import ServerSpec


class Pgvector(ServerSpec):
    """Keep the index in PostgreSQL with the extension pgvector; LLM_ENGINEERING_PGVECTOR_URL may hold the address."""

    title: ClassVar[str] = "PostgreSQL with pgvector"
    extra: ClassVar[str] = "pgvector"
    package: ClassVar[str] = "pgvector"
    example: ClassVar[str] = "postgresql://user:${env:PGPASSWORD}@host:5432/database"
    schemes: ClassVar[tuple[str, ...]] = ("postgresql", "postgres")
    capabilities: ClassVar[Capabilities] = Capabilities(
        runs="server",
        dense="exact, then approximate",
        sparse="engine",
        filters="engine, rest here",
        several_processes=True,
        several_machines=True,
        erases_bytes=True,
        tested_with="a real PostgreSQL 16 with pgvector 0.6",
        largest_dimension=16_000,
    )

    kind: Literal["pgvector"] = "pgvector"
    namespace: str = Field(
        "llm_engineering",
        pattern=r"^[a-z_][a-z0-9_]{0,62}$",
        description="schema of the database that the tables are in; created if it is not there",
    )
    exact_up_to: int = Field(
        10_000, ge=0, description="rows up to which a search looks at all of them; above, HNSW is used"
    )
    ef_search: int = Field(100, ge=10, le=1_000, description="candidates that HNSW looks at, where it is used")
    m: int = Field(16, ge=4, le=100, description="links of a row in HNSW")
    ef_construction: int = Field(64, ge=8, le=1_000, description="candidates while HNSW is built; at least 2 m")

    def engine(self, home: Path, collection: str) -> Engine:  # noqa: ARG002 - it is elsewhere
        from llm_engineering.infrastructure.vector_stores.pgvector.connections import Connections
        from llm_engineering.infrastructure.vector_stores.pgvector.engine import PgvectorEngine

        return PgvectorEngine(Connections(self.address(), self), self)

"""The feature store in Pinecone."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.settings import Settings
from llm_engineering.infrastructure.vector_stores.versioned.capabilities import Capabilities
from llm_engineering.infrastructure.vector_stores.versioned.engine import Engine
from llm_engineering.infrastructure.vector_stores.versioned.spec import ServerSpec

KEY = "LLM_ENGINEERING_PINECONE_API_KEY"


class Pinecone(ServerSpec):
    """Keep the index in a dense index of Pinecone with the metric cosine, which has to be there.

    Its host is the address, which LLM_ENGINEERING_PINECONE_URL may hold; LLM_ENGINEERING_PINECONE_API_KEY is the key.
    """

    title: ClassVar[str] = "Pinecone"
    extra: ClassVar[str] = "pinecone"
    package: ClassVar[str] = "pinecone"
    example: ClassVar[str] = "https://notes-abc123.svc.aped-4627-b74a.pinecone.io"
    schemes: ClassVar[tuple[str, ...]] = ("https", "http")
    capabilities: ClassVar[Capabilities] = Capabilities(
        runs="cloud",
        dense="approximate",
        sparse="none",
        filters="engine, rest here",
        several_processes=True,
        several_machines=True,
        tested_with="a stand-in that speaks its routes; the real one where LLM_ENGINEERING_PINECONE_URL is set",
        largest_search=10_000,
        largest_dimension=20_000,
    )

    kind: Literal["pinecone"] = "pinecone"
    prefix: str = Field(
        "llm-engineering", pattern=r"^[a-z][a-z0-9_-]{0,62}$", description="what the names of our namespaces begin with"
    )
    settle_seconds: float = Field(
        10.0,
        ge=0,
        le=600,
        description="how long a write is waited for where the answers do not say what they have seen",
    )

    def check(self) -> None:
        super().check()
        self.key()

    def key(self) -> str:
        """Return the key.

        Raises:
            UsageError: the environment names none.
        """
        key = Settings().pinecone_api_key.get_secret_value()
        if not key:
            raise UsageError(f"no key for Pinecone is there; set {KEY}")
        return key

    def engine(self, home: Path, collection: str) -> Engine:  # noqa: ARG002 - it is elsewhere
        from llm_engineering.infrastructure.vector_stores.pinecone.engine import PineconeEngine
        from llm_engineering.infrastructure.vector_stores.pinecone.server import PineconeServer

        return PineconeEngine(PineconeServer(self), self)

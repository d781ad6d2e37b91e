"""What Elasticsearch and OpenSearch have in common as feature stores: their settings."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.vector_stores.versioned.engine import Engine
from llm_engineering.infrastructure.vector_stores.versioned.spec import ServerSpec

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.lucene.server import Server


class LuceneSpec(ServerSpec):
    """Settings of a search engine that is built on Lucene."""

    example: ClassVar[str] = "https://user:${env:PASSWORD}@host:9200"
    schemes: ClassVar[tuple[str, ...]] = ("http", "https")

    prefix: str = Field(
        "llm-engineering",
        pattern=r"^[a-z][a-z0-9_-]{0,62}$",
        description="what the names of our indices begin with; a user needs rights on <prefix>-* only",
    )
    shards: int = Field(1, ge=1, le=1_024, description="primary shards of a version's index")
    replicas: int | None = Field(None, ge=0, le=100, description="copies of each shard; empty: as the server is set")
    exact_up_to: int = Field(
        10_000, ge=0, description="rows up to which a search looks at all of them; above, HNSW is used"
    )
    candidates: int = Field(100, ge=10, le=10_000, description="candidates that HNSW looks at in each shard")
    m: int = Field(16, ge=2, le=100, description="links of a row in HNSW")
    ef_construction: int = Field(100, ge=8, le=1_000, description="candidates while HNSW is built")
    ca_certs: Path | None = Field(None, description="a file with certificates that the server's is checked against")

    def check(self) -> None:
        super().check()
        self.check_certificates()

    def check_certificates(self) -> None:
        """Refuse a file of certificates that is not there (UsageError)."""
        if self.ca_certs is not None and not self.ca_certs.is_file():
            raise UsageError(
                f"load: store: ca_certs: there is no file {str(self.ca_certs)!r}; name the certificate of those "
                "who signed the server's (Elasticsearch: http_ca.crt), or leave it out"
            )

    def server(self) -> "Server":
        """Return the client of the server that the settings name; nothing is connected yet."""
        raise NotImplementedError

    def engine(self, home: Path, collection: str) -> Engine:  # noqa: ARG002 - it is elsewhere
        from llm_engineering.infrastructure.vector_stores.lucene.engine import LuceneEngine

        self.check_certificates()
        return LuceneEngine(self.server(), self)

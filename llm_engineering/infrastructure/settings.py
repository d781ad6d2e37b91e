"""What the environment decides: where all state lives, and secrets. Everything else is in the YAML."""

from functools import cached_property
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from llm_engineering.domain.errors import UsageError

# The folders of the home that this project fills itself. None of them is a source, an export, or somebody else's.
STATE_FOLDERS = frozenset(
    {
        "feature_store",
        "vector_stores",
        "models",
        "datasets",
        "training",
        "registry",
        "reports",
        "duplicates",
        "graphs",
        "evaluations",
        "llm-evaluations",
        "batches",
        "git",
        "zenml",
        "spool",
        "states",
        "erasures",
        "matplotlib",
    }
)


class Settings(BaseSettings):
    """Settings from environment variables named `LLM_ENGINEERING_…`, or from a `.env` file in the working folder.

    `home` is the one folder for all state, ZenML's too; two homes never touch each other. A run whose process
    shows no life for `lease_seconds` is taken for dead, and another one may go on with its work. A warehouse that is
    away or locked is waited for, up to `patience_seconds`.
    """

    model_config = SettingsConfigDict(env_prefix="LLM_ENGINEERING_", env_file=".env", extra="ignore", frozen=True)

    home: Path = Path(".llm-engineering")
    warehouse_url: str = ""
    qdrant_url: str = ""
    qdrant_api_key: SecretStr = SecretStr("")
    pgvector_url: SecretStr = SecretStr("")
    elasticsearch_url: SecretStr = SecretStr("")
    elasticsearch_api_key: SecretStr = SecretStr("")
    opensearch_url: SecretStr = SecretStr("")
    redis_url: SecretStr = SecretStr("")
    pinecone_url: SecretStr = SecretStr("")
    pinecone_api_key: SecretStr = SecretStr("")
    chroma_url: SecretStr = SecretStr("")
    lancedb_url: SecretStr = SecretStr("")
    clickhouse_url: SecretStr = SecretStr("")
    lease_seconds: float = Field(60.0, gt=0)
    patience_seconds: float = Field(60.0, ge=0, le=86_400)

    @cached_property
    def root(self) -> Path:
        """The home as an absolute path, created on first use."""
        root = self.home.expanduser().resolve()
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"LLM_ENGINEERING_HOME is {str(self.home)!r}, which cannot be used as a folder ({error.strerror}); "
                "set it to a folder that can be written to"
            ) from None
        return root

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL of the warehouse: the one that was set, or SQLite in the home."""
        return self.warehouse_url or f"sqlite:///{self.root / 'warehouse.db'}"

"""What the environment decides: where all state lives, and secrets. Everything else is in the YAML."""

from functools import cached_property
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Settings from environment variables named `LLM_ENGINEERING_…`, or from a `.env` file in the working folder.

    `home` is the one folder for all state, ZenML's too; two homes never touch each other.
    """

    model_config = SettingsConfigDict(env_prefix="LLM_ENGINEERING_", env_file=".env", extra="ignore", frozen=True)

    home: Path = Path(".llm-engineering")
    warehouse_url: str = ""

    @cached_property
    def root(self) -> Path:
        """The home as an absolute path, created on first use."""
        root = self.home.expanduser().resolve()
        root.mkdir(parents=True, exist_ok=True)
        return root

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL of the warehouse: the one that was set, or SQLite in the home."""
        return self.warehouse_url or f"sqlite:///{self.root / 'warehouse.db'}"

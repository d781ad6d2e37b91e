"""The assistant's state in SQL: beside the warehouse, or in a database of its own."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from llm_engineering.infrastructure.environment import with_secrets
from llm_engineering.infrastructure.state.addresses import without_secret
from llm_engineering.infrastructure.state.keeping import Keeping

if TYPE_CHECKING:
    from llm_engineering.infrastructure.state.sql_store import SqlAssistantState

FILE = "assistant.db"


class SqlState(Keeping):
    """Kind `sql`: SQLite in the home, or any database that the warehouse can live in."""

    kind: Literal["sql"] = "sql"
    url: str = Field("", description="SQLAlchemy URL; empty: `assistant.db` in the home")
    busy_seconds: float = Field(10.0, ge=0, le=600, description="how long a writer waits for another one")

    @field_validator("url")
    @classmethod
    def _holds_no_secret(cls, url: str) -> str:
        return without_secret(url)

    def open(self, home: Path) -> "SqlAssistantState":
        """Open the database, creating or migrating its tables first.

        Raises:
            UsageError: the URL is wrong, the file cannot be opened, or a newer version of this project wrote it.
            BackendError: the database cannot be reached, is locked or is damaged.
        """
        from llm_engineering.infrastructure.state.sql_store import open_database

        return open_database(self._address(home), self)

    def existing(self, home: Path) -> "SqlAssistantState | None":
        """Open the database if it is there: nothing is created."""
        from llm_engineering.infrastructure.state.sql_store import open_database

        return open_database(self._address(home), self, create=False)

    def _address(self, home: Path) -> str:
        return with_secrets(self.url) or f"sqlite:///{home / FILE}"

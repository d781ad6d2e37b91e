"""The assistant's state in SQL: beside the warehouse, or in a database of its own."""

from typing import Literal

from pydantic import Field

from llm_engineering.domain.value import Value


class SqlState(Value):
    """Kind `sql`: SQLite in the home, or any database that the warehouse can live in."""

    kind: Literal["sql"] = "sql"
    url: str = Field("", description="SQLAlchemy URL; empty: `assistant.db` in the home")

"""Where conversations, cached answers and receipts are kept. A new one is a file here and a line in the union below."""

from typing import Annotated

from pydantic import Field

from llm_engineering.infrastructure.state.memory import MemoryState
from llm_engineering.infrastructure.state.redis import RedisState
from llm_engineering.infrastructure.state.sql import SqlState

StateSpec = Annotated[SqlState | RedisState | MemoryState, Field(discriminator="kind")]

__all__ = ["MemoryState", "RedisState", "SqlState", "StateSpec"]

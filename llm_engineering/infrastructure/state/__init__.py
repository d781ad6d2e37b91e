"""Where conversations, cached answers and receipts are kept. A new one is a file here and a line in the union below."""

from typing import Annotated

from pydantic import Field

from llm_engineering.infrastructure.state.sql import SqlState

StateSpec = Annotated[SqlState, Field()]

__all__ = ["SqlState", "StateSpec"]

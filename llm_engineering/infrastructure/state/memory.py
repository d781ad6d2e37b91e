"""The assistant's state in the memory of one process: for tests, and for services that need to remember nothing."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from llm_engineering.infrastructure.state.keeping import Keeping

if TYPE_CHECKING:
    from llm_engineering.infrastructure.state.memory_store import MemoryAssistantState


class MemoryState(Keeping):
    """Kind `memory`: gone when the process ends, and seen by no other. When it is full, the oldest goes."""

    kind: Literal["memory"] = "memory"
    max_items: int = Field(10_000, ge=1, description="conversations, cached texts, and receipts, of each so many")

    def open(self, home: Path) -> "MemoryAssistantState":  # noqa: ARG002 - one signature for all stores
        """Return an empty store."""
        from llm_engineering.infrastructure.state.memory_store import MemoryAssistantState

        return MemoryAssistantState(self)

"""Answers that quote what is to be forgotten: conversations, receipts and cached answers of the assistant."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from llm_engineering.domain.erasure import Found
from llm_engineering.domain.traces import Traces
from llm_engineering.infrastructure.state.places import existing


@dataclass(frozen=True)
class Answers:
    """Every store of the assistant's state that this home has used. A service may be answering meanwhile."""

    home: Path
    place: str = "assistant"

    def find(self, traces: Traces) -> Found:
        items: list[str] = []
        for name, state in existing(self.home):
            items += [f"{name}: {item}" for item in state.quoting(traces.document_ids)]
        return Found(place=self.place, what="cached answers, receipts and turns").with_items(items)

    def remove(self, items: Collection[str], traces: Traces) -> None:  # noqa: ARG002 - the documents say it all
        for _, state in existing(self.home):
            state.forget_documents(traces.document_ids)
            # Also where nothing was found: what users deleted themselves may still be in a file.
            state.compact()

"""Evaluations of language models that asked about what is to be forgotten."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from llm_engineering.domain.erasure import Found
from llm_engineering.domain.traces import Traces
from llm_engineering.infrastructure.evaluations.llms import LlmEvaluationFiles
from llm_engineering.infrastructure.traces.files import mentions, remove


@dataclass(frozen=True)
class LlmEvaluations:
    """Evaluations of language models. One with rows of the documents goes as a whole, as its report quotes them."""

    home: Path
    place: str = "evaluations of language models"

    def find(self, traces: Traces) -> Found:
        items = tuple(folder.name for folder in self._folders() if self._concerns(folder, traces))
        return Found(place=self.place, what="evaluations, removed with their reports").with_items(items)

    def remove(self, items: Collection[str], traces: Traces) -> None:  # noqa: ARG002 - one signature for all places
        for folder in self._folders():
            if folder.name in items:
                remove(folder)

    def _folders(self) -> Iterator[Path]:
        return (path for path in sorted((self.home / LlmEvaluationFiles.FOLDER).glob("*")) if path.is_dir())

    def _concerns(self, folder: Path, traces: Traces) -> bool:
        return any(mentions(path, traces) for path in folder.rglob("*") if path.is_file())

"""What became of the rows of batches: journals whose answers were made from what is to be forgotten."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from llm_engineering.domain.erasure import Found
from llm_engineering.domain.traces import Traces
from llm_engineering.infrastructure.answer_journal import lines_of, take_out


@dataclass(frozen=True)
class Batches:
    """Journals of batches, a line for each row. The next run of a batch asks again what was taken out."""

    home: Path
    place: str = "batches"

    def find(self, traces: Traces) -> Found:
        found = (
            f"{path.name}, line {number}"
            for path in self._journals()
            for number, line in enumerate(lines_of(path), 1)
            if traces.are_in(line)
        )
        return Found(place=self.place, what="answers, which the next run asks for again").with_items(found)

    def remove(self, items: Collection[str], traces: Traces) -> None:
        named = {item.partition(",")[0] for item in items}
        for path in self._journals():
            if path.name in named:
                take_out(path, traces.are_in)

    def _journals(self) -> list[Path]:
        return sorted((self.home / "batches").glob("*.jsonl"))

"""Several trackers as one."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from llm_engineering.domain.ports import TrackedRun, Tracker
from llm_engineering.domain.value import Scalar


class Together:
    """Tells each tracker everything. Without any it tells nobody."""

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        self._trackers = tuple(trackers)

    @contextmanager
    def run(self, name: str, tags: Mapping[str, str]) -> Iterator[TrackedRun]:
        """Open a run in each of them; leaving the block closes all."""
        with ExitStack() as opened:
            yield _Runs([opened.enter_context(tracker.run(name, tags)) for tracker in self._trackers])


@dataclass(frozen=True)
class _Runs:
    runs: Sequence[TrackedRun]

    def parameters(self, values: Mapping[str, Scalar]) -> None:
        for run in self.runs:
            run.parameters(values)

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        for run in self.runs:
            run.metrics(values, step)

    def file(self, path: Path) -> None:
        for run in self.runs:
            run.file(path)

"""Runs: who they are, what they have for themselves, how they ended."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol


class Runs(Protocol):
    """The runs, numbered in ascending order by the database.

    Raises:
        BackendError: the database cannot be reached or is damaged, or the run was closed as failed.
    """

    def start_run(self, pipeline: str, config: Mapping[str, object], holds: Collection[str] = ()) -> int:
        """Open a run with its resolved configuration and return its number: ascending, given by the database.

        The run has what it `holds` (a source, a collection) for itself until it is finished. Runs whose owner is dead,
        or has not called `beat` for too long, are closed as failed first, and lose what they hold.

        Raises:
            BackendError: a living run holds one of these. The message says who; `transient` is true.
        """
        ...

    def beat(self, run: int) -> None:
        """Say that this process still works for the run.

        Raises:
            BackendError: the run was closed meanwhile, by another one that took its owner for dead.
        """
        ...

    def holder(self, holds: Collection[str]) -> str:
        """Return who holds one of these, in words, or an empty text if a run could start with them."""
        ...

    def pass_over_runs(self, last: int) -> None:
        """Number the next run above `last`, or higher where the numbers are higher already."""
        ...

    def finish_run(self, run: int, status: str, report: Mapping[str, object]) -> None:
        """Close a run as `completed` or `failed`, with its report, and free what it holds. What failed stays failed."""
        ...

    def run_record(self, run: int) -> Mapping[str, object]:
        """Return a run as a mapping: run, pipeline, status, config, report, started_at, finished_at."""
        ...

    def at_work(self, besides: int) -> Sequence[int]:
        """Return the runs that are at work, less one."""
        ...

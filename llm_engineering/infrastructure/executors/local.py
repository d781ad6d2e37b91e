"""Work on this machine: in this process, or in several where there is enough of it."""

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, TypeVar

from pydantic import Field

from llm_engineering.domain.ports import Executor, Work
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.cores import available_cores

T = TypeVar("T")
U = TypeVar("U")

# More processes than this wait for the one that reads and writes the data sets.
_MOST = 8


class Local(Value):
    """Clean, cut, tokenize and embed on this machine."""

    kind: Literal["local"] = "local"
    processes: int | None = Field(
        1,
        ge=1,
        le=64,
        description="processes that clean, cut and tokenize; 1: this one alone; null: as many as there are cores, at "
        "most 8. Embedding uses all cores by itself",
    )
    worthwhile: int = Field(
        2_000, ge=0, le=100_000_000, description="rows of a step (documents or chunks) from which processes are started"
    )

    def check(self) -> None:
        """Look whether work can be done: it always can."""

    @contextmanager
    def open(self, rows: int) -> Iterator[Executor]:
        """Yield the executor for a step of so many rows; its processes have ended when the block ends."""
        wanted = min(available_cores(), _MOST) if self.processes is None else self.processes
        if wanted == 1 or rows < self.worthwhile:
            yield _Here()
            return
        from llm_engineering.infrastructure.executors.local_pool import LocalPool

        pool = LocalPool(wanted)
        try:
            yield _Beside(pool)
        finally:
            pool.close()


class _Here:
    def map(self, work: Work[T, U], batches: Iterable[Sequence[T]]) -> Iterator[Sequence[U]]:
        do: Callable[[Sequence[T]], Sequence[U]] = work.open()
        return (do(batch) for batch in batches)


class _Beside:
    """The work of others, if it can be sent to them."""

    def __init__(self, pool: Executor) -> None:
        self._pool = pool

    def map(self, work: Work[T, U], batches: Iterable[Sequence[T]]) -> Iterator[Sequence[U]]:
        try:
            pickle.dumps(work)
        except (pickle.PicklingError, AttributeError, TypeError):  # what holds a connection or a function without name
            return _Here().map(work, batches)
        return self._pool.map(work, batches)

"""Where the work inside a step is done: in this process, on all cores, or on a cluster."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

T_contra = TypeVar("T_contra", contravariant=True)
U_co = TypeVar("U_co", covariant=True)
T = TypeVar("T")
U = TypeVar("U")


class Work(Protocol[T_contra, U_co]):
    """What is to be done with rows. It can be pickled; what it needs (a tokenizer, a model) is opened by the worker."""

    def open(self) -> Callable[[Sequence[T_contra]], Sequence[U_co]]:
        """Open what the work needs, once for each worker, and return the function from rows to results."""
        ...


class Executor(Protocol):
    """Does work on batches of rows.

    Results come in the order of the batches, whoever made them; few batches are in memory at a time. A batch whose
    worker died is done again. An error of the work itself is raised at its place in the order.
    """

    def map(self, work: Work[T, U], batches: Iterable[Sequence[T]]) -> Iterator[Sequence[U]]:
        """Yield the results of each batch.

        Raises:
            BackendError: the workers died again and again, or could not be started.
        """
        ...

"""Rows on their way from step to step."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Dataset(Protocol[T_co]):
    """A finite sequence of rows that may not fit into memory: its length is known, and it can be iterated again."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[T_co]: ...


class Progress(Protocol):
    """Shows how far a loop is, with rate and time left. It yields the items unchanged."""

    def __call__(
        self, items: Iterable[T], label: str, *, total: int | None = None, unit: str = "it"
    ) -> Iterable[T]: ...

"""Cut work into pages: statements stay small, memory stays flat, and no connection is held between two pages."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

IDS_PER_STATEMENT = 500
ROWS_PER_PAGE = 5_000


def in_groups(items: Iterable[T], size: int = IDS_PER_STATEMENT) -> Iterator[list[T]]:
    """Yield the items in lists of `size`, the last one shorter."""
    remaining = iter(items)
    while group := list(islice(remaining, size)):
        yield group


def pages(fetch: Callable[[T | None], Sequence[T]], size: int = ROWS_PER_PAGE) -> Iterator[T]:
    """Yield rows page by page: `fetch` returns up to `size` rows after the given last one (None: from the start)."""
    last: T | None = None
    while rows := fetch(last):
        yield from rows
        if len(rows) < size:
            return
        last = rows[-1]

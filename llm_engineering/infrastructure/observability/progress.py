"""Progress bars on standard error: how far, how fast, how long still."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def bar(items: Iterable[T], label: str, *, total: int | None = None, unit: str = "it") -> Iterable[T]:
    """Show a bar with rate and time left for loops over two seconds.

    On a terminal it moves; in a log file it is a line every ten seconds, so that a nightly run's log stays readable.
    """
    if total == 0:
        return items
    moves = sys.stderr.isatty()
    return tqdm(
        items,
        desc=label,
        total=total,
        unit=unit,
        delay=2,
        mininterval=0.2 if moves else 10,
        dynamic_ncols=moves,
        ascii=not moves,
        file=sys.stderr,
    )


def silent(items: Iterable[T], label: str, *, total: int | None = None, unit: str = "it") -> Iterable[T]:  # noqa: ARG001
    """Show nothing: for tests and for programs with a progress display of their own."""
    return items

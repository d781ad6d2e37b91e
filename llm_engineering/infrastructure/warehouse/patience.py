"""Wait for a database that is away for a while, and try again.

Only whole transactions are repeated, and each of them may be: who repeats one cannot know whether the first attempt was
committed before the connection broke.
"""

import time
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from loguru import logger

from llm_engineering.infrastructure.warehouse.failures import Unavailable

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE_SECONDS = 60.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0


class Patient(Protocol):
    """Whatever says how long it is to wait for its database."""

    @property
    def patience_seconds(self) -> float: ...


A = TypeVar("A", bound=Patient)


def patient(method: Callable[Concatenate[A, P], T]) -> Callable[Concatenate[A, P], T]:
    """Repeat a method, which must be one repeatable transaction, until the database is back or patience is at its end.

    Raises:
        Unavailable: it was away for too long.
    """

    @wraps(method)
    def call(self: A, /, *arguments: P.args, **named: P.kwargs) -> T:
        return patiently(lambda: method(self, *arguments, **named), self.patience_seconds)

    return call


def patiently(work: Callable[[], T], seconds: float) -> T:
    """Return what `work` returns. While its database is away, begin anew for up to so many seconds."""
    give_up = time.monotonic() + seconds
    for pause in _pauses():
        try:
            return work()
        except Unavailable as error:
            if time.monotonic() + pause > give_up:
                raise
            logger.warning("{}; trying again for up to {:.0f} s", error, give_up - time.monotonic())
        time.sleep(pause)
    raise AssertionError("the pauses never end")


def _pauses() -> Iterator[float]:
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(2 * pause, LONGEST_PAUSE)

"""A line of calls: who has waited longest is next, and those behind it may be served together with it."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Condition
from typing import Generic, TypeVar

C = TypeVar("C")


@dataclass(frozen=True)
class Waiting(Generic[C]):
    """A call in the line. One that is `alone` is served by itself: it was served before, and what served it broke."""

    item: C
    alone: bool = False


class Line(Generic[C]):
    """Calls that wait, and the threads of those who serve them, each of which takes some when it is free."""

    def __init__(self, servers: int = 1, together: int = 1) -> None:
        """So many calls are served together at the most, and no more than leaves as many for each of the servers."""
        self._servers = servers
        self._together = together
        self._waiting: deque[Waiting[C]] = deque()
        self._changed = Condition()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether nothing is served any more."""
        return self._closed

    def put(self, call: C) -> bool:
        """Let a call wait behind the others; return False if nothing is served any more."""
        with self._changed:
            if not self._closed:
                self._waiting.append(Waiting(call))
                self._changed.notify()
            return not self._closed

    def put_back(self, calls: Sequence[Waiting[C]]) -> bool:
        """Let calls that were taken be the next ones, each alone; return False if nothing is served any more."""
        with self._changed:
            if not self._closed:
                self._waiting.extendleft(replace(waiting, alone=True) for waiting in reversed(calls))
                self._changed.notify(len(calls))
            return not self._closed

    def take(self) -> Sequence[Waiting[C]]:
        """Wait for calls, and return those that are served together; none after the line was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            return () if self._closed else self._next()

    def close(self) -> Sequence[C]:
        """Let nobody wait any more; return the calls that nobody will take."""
        with self._changed:
            self._closed = True
            left = [waiting.item for waiting in self._waiting]
            self._waiting.clear()
            self._changed.notify_all()
        return left

    def _next(self) -> Sequence[Waiting[C]]:
        share = min(self._together, -(-len(self._waiting) // self._servers))
        served = [self._waiting.popleft()]
        while len(served) < share and not (served[0].alone or self._waiting[0].alone):
            served.append(self._waiting.popleft())
        return served

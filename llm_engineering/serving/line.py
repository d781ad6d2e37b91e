"""A line of calls: who has waited longest is next, and those behind it may be served together with it."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")
C = TypeVar("C")


@dataclass(frozen=True)
class _Waiting(Generic[T, C]):
    """A call in the line. Its thread sleeps until it gets its turn."""

    call: C
    alone: bool
    turn: "SimpleQueue[Turn[T, C]]"


class Turn(Generic[T, C]):
    """What a call's thread has when it is its turn: what serves it, until it passes that on.

    `calls` are those that are served together, this one first; empty if one before it has handed them in. `server` is
    None if what served them has broken down before it came to this call.
    """

    def __init__(
        self, line: "Line[T, C]", server: T | None, calls: Sequence[C], behind: "Sequence[_Waiting[T, C]]"
    ) -> None:
        self.server = server
        self.calls = calls
        self._line = line
        self._behind = behind

    def pass_on(self) -> None:
        """Let the next of those that are served together have it; after the last, those who have waited longest."""
        assert self.server is not None  # noqa: S101 - who has nothing passes nothing on
        if self._behind:
            self._behind[0].turn.put(Turn(self._line, self.server, (), self._behind[1:]))
        else:
            self._line.give(self.server)

    def break_off(self) -> None:
        """Tell those behind it that they are not served."""
        for waiting in self._behind:
            waiting.turn.put(Turn(self._line, None, (), ()))


class Line(Generic[T, C]):
    """Servers that serve one turn at a time, and the calls that wait for one, each in a thread of its own.

    What is given goes to the thread that has waited longest. With a queue, the thread that has just put something back
    could take it again before those that wait wake up; some would wait several times as long as others.
    """

    def __init__(self, servers: int = 1, together: int = 1) -> None:
        """So many calls are served together at the most, and no more than leaves as many for each of the servers."""
        self._servers = servers
        self._together = together
        self._free: deque[T] = deque()
        self._waiting: deque[_Waiting[T, C]] = deque()
        self._lock = Lock()

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return len(self._waiting)

    def take(self, call: C, *, alone: bool = False) -> Turn[T, C]:
        """Wait for the turn of a call, which is served together with others unless it has to be `alone`."""
        with self._lock:
            if self._free:
                return Turn(self, self._free.popleft(), (call,), ())
            waiting: _Waiting[T, C] = _Waiting(call, alone, SimpleQueue())
            self._waiting.append(waiting)
        return waiting.turn.get()

    def give(self, server: T) -> None:
        """Let those that are next have it."""
        with self._lock:
            if not self._waiting:
                self._free.append(server)
                return
            served = self._next()
        served[0].turn.put(Turn(self, server, [waiting.call for waiting in served], served[1:]))

    def _next(self) -> "list[_Waiting[T, C]]":
        """Take those out of the line that are served together."""
        share = min(self._together, -(-len(self._waiting) // self._servers))
        served = [self._waiting.popleft()]
        while len(served) < share and not (served[0].alone or self._waiting[0].alone):
            served.append(self._waiting.popleft())
        return served

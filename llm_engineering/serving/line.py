"""A line of threads: who has waited longest is next."""

from collections import deque
from queue import SimpleQueue
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Line(Generic[T]):
    """Things that threads take and give back. What is given goes to the thread that has waited longest.

    With a queue, the thread that has just put something back could take it again before those that wait wake up; some
    would wait several times as long as others.
    """

    def __init__(self) -> None:
        self._free: deque[T] = deque()
        self._waiting: deque[SimpleQueue[T]] = deque()
        self._lock = Lock()

    @property
    def waiting(self) -> int:
        """How many threads wait."""
        return len(self._waiting)

    def take(self) -> T:
        """Return the next thing that is free, in turn."""
        with self._lock:
            if self._free:
                return self._free.popleft()
            turn: SimpleQueue[T] = SimpleQueue()
            self._waiting.append(turn)
        return turn.get()

    def give(self, thing: T) -> None:
        """Let the thread that is next have it."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().put(thing)
            else:
                self._free.append(thing)

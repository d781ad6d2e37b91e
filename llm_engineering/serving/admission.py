"""How much is taken on at once: what is above it is refused immediately, which keeps what was accepted fast."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from llm_engineering.config.serving import Rate
from llm_engineering.serving.problems import Problem, overloaded


class Gate:
    """Lets so many requests in at once, running and waiting, and refuses the others. For one event loop."""

    def __init__(self, name: str, limit: int) -> None:
        self.name = name
        self.limit = limit
        self.inside = 0

    @property
    def is_full(self) -> bool:
        return self.inside >= self.limit

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Hold a place.

        Raises:
            Problem: 503, every place is taken.
        """
        if self.is_full:
            raise overloaded()
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1


class Bucket:
    """A token bucket: `burst` requests at once, and then `per_second`."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._tokens = float(rate.burst)
        self._at = clock()

    def take(self) -> None:
        """Take a token.

        Raises:
            Problem: 429, there is none; it says when the next one comes.
        """
        now = self._clock()
        self._tokens = min(self._rate.burst, self._tokens + (now - self._at) * self._rate.per_second)
        self._at = now
        if self._tokens < 1:
            missing = (1 - self._tokens) / self._rate.per_second
            raise Problem(429, "rate_limited", "this key makes too many requests; slow down", missing)
        self._tokens -= 1

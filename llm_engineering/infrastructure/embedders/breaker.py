"""A server that is down is left alone for a while, instead of being waited for by every query."""

import time
from collections.abc import Callable
from threading import Lock

from llm_engineering.domain.errors import BackendError


class LeftAlone(BackendError):  # noqa: N818 - a decision, not a fault
    """The server was not asked, because it failed too often; no question should wait for it."""


class Breaker:
    """After so many failures in a row refuses for a while; then one call tries again. Safe to use from many threads."""

    def __init__(self, model: str, failures: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._model = model
        self._most = failures
        self._seconds = seconds
        self._clock = clock
        self._failures = 0
        self._until = 0.0
        self._last = ""
        self._lock = Lock()

    def admit(self) -> None:
        """Let a call through.

        Raises:
            LeftAlone: the server failed too often just now; `retry_after` says when it is tried again.
        """
        with self._lock:
            if not self._most or self._failures < self._most:
                return
            left = self._until - self._clock()
            if left > 0:
                raise LeftAlone(
                    f"the server of model {self._model!r} failed {self._failures} times in a row, so it is not asked "
                    f"for {left:.0f} s (breaker_failures, breaker_seconds). The last time: {self._last}",
                    transient=True,
                    retry_after=left,
                )
            self._until = self._clock() + self._seconds  # others wait for what this one finds

    def note(self, failure: str = "") -> None:
        """Take note of how a call ended; any answer of the server, a refusal too, shows that it is there."""
        with self._lock:
            self._failures = self._failures + 1 if failure else 0
            self._last = failure
            if failure and self._most and self._failures >= self._most:
                self._until = self._clock() + self._seconds

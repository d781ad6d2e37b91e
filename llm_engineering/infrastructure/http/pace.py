"""How fast requests may follow each other, and how long to wait after a refusal."""

from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from threading import Lock


class Pace:
    """Keeps a minimum interval between requests to the same host, by a monotonic clock."""

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._clock = clock
        self._sleep = sleep
        self._next: dict[str, float] = {}
        self._lock = Lock()

    def wait(self, host: str, interval: float) -> None:
        """Sleep until `interval` seconds have passed since the last request to the host was due."""
        with self._lock:
            now = self._clock()
            due = max(now, self._next.get(host, now))
            self._next[host] = due + interval
        if due > now:
            self._sleep(due - now)


def retry_after(value: str, now: float) -> float | None:
    """Return the seconds that a Retry-After header asks for, given as a number or as an HTTP date.

    `now` is seconds since the epoch. A date in the past is 0; what cannot be read is None.

    >>> retry_after("120", 0.0)
    120.0
    >>> retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 50.0)
    10.0
    """
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:  # "-0000": the sender does not know its zone, HTTP dates are GMT
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now)

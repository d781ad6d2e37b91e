"""robots.txt: what each host allows (RFC 9309)."""

from collections.abc import Callable
from dataclasses import dataclass

import httpx
from protego import Protego

from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.http.response import Response
from llm_engineering.infrastructure.http.urls import without_credentials

MAX_BYTES = 512_000  # RFC 9309 asks for at least 500 KiB; the rest is not read
_KEEP_RULES_SECONDS = 24 * 3600.0
_KEEP_REFUSAL_SECONDS = 60.0
# Not about robots.txt, but the host itself.
_HOST_REASONS = frozenset({"unreachable", "timeout", "tls", "bad_url", "forbidden_address"})


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is known of a host: its rules, or why they could not be read; valid until `expires`."""

    expires: float
    rules: Protego | None = None
    error: SourceError | None = None


class Robots:
    """The robots.txt of every host that was asked for, fetched once and kept for a day."""

    def __init__(self, user_agent: str, fetch: Callable[[httpx.URL], Response], clock: Callable[[], float]) -> None:
        # Only the product token: the rest of the header may hold other words, "github" in its address for example.
        self._agent = user_agent.split("/")[0].split(" ")[0]
        self._fetch = fetch
        self._clock = clock
        self._entries: dict[str, _Entry] = {}

    def crawl_delay(self, url: httpx.URL) -> float:
        """Return the seconds between requests that the host asks of us, and check that the URL is allowed.

        Raises:
            SourceError: `robots` if the URL is disallowed; `robots_unavailable`, `unreachable`, `timeout`, `tls` or
                `forbidden_address` if the rules cannot be read for the moment, which forbids the host for the moment.
        """
        entry = self._entry(url.copy_with(raw_path=b"/robots.txt"))
        if entry.error is not None:
            raise SourceError(entry.error.reason, str(entry.error)) from entry.error
        if entry.rules is None:
            return 0.0
        shown = str(without_credentials(url))
        if not entry.rules.can_fetch(shown, self._agent):
            raise SourceError(
                "robots", f"{url.raw_host.decode('ascii')} does not allow {self._agent!r} to fetch {shown} (robots.txt)"
            )
        return float(entry.rules.crawl_delay(self._agent) or 0.0)

    def _entry(self, robots_url: httpx.URL) -> _Entry:
        key = str(without_credentials(robots_url))
        entry = self._entries.get(key)
        if entry is None or entry.expires <= self._clock():
            entry = self._entries[key] = self._ask(robots_url, key)
        return entry

    def _ask(self, robots_url: httpx.URL, shown: str) -> _Entry:
        try:
            response = self._fetch(robots_url)
        except SourceError as error:
            return self._unreadable(error, shown)
        rules = Protego.parse(response.content.decode("utf-8-sig", "replace"))
        return _Entry(self._clock() + _KEEP_RULES_SECONDS, rules=rules)

    def _unreadable(self, error: SourceError, shown: str) -> _Entry:
        # "Unavailable" (4xx) means that there are no rules; anything else means that nobody knows them.
        if error.reason.startswith("http_4") and error.reason not in ("http_408", "http_429"):
            return _Entry(self._clock() + _KEEP_RULES_SECONDS)
        if error.reason not in _HOST_REASONS:
            message = f"{shown} could not be read, so nothing may be fetched there for now: {error}"
            error = SourceError("robots_unavailable", message)
        return _Entry(self._clock() + _KEEP_REFUSAL_SECONDS, error=error)

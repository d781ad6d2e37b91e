"""The HTTP client: every request of this project that reads from outside goes through it."""

import logging
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Self

import httpcore
import httpx

from llm_engineering.domain.documents import Metadata
from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.fetching import Fetching
from llm_engineering.infrastructure.http.body import ACCEPTED, bounded, decoded
from llm_engineering.infrastructure.http.errors import TransientError, at_redirect, refuse_errors, translated
from llm_engineering.infrastructure.http.network import Budget, GuardedBackend, GuardedTransport
from llm_engineering.infrastructure.http.pace import Pace
from llm_engineering.infrastructure.http.response import Response
from llm_engineering.infrastructure.http.robots import MAX_BYTES, Robots
from llm_engineering.infrastructure.http.urls import checked, same_origin, without_credentials
from llm_engineering.infrastructure.network import Guard, Resolver

PAGES = "text/html,application/xhtml+xml,text/markdown;q=0.9,text/plain;q=0.8,*/*;q=0.1"
JSON = "application/json,*/*;q=0.1"

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BACKOFF_SECONDS = 0.5  # before the first retry; doubled for each further one
_SHOWN_CHARACTERS = 500  # of a URL in a message
_HEAD_BYTES = 512_000  # what the heads of all responses of a request may take on the wire, besides their bodies


@dataclass(frozen=True, slots=True)
class _Order:
    """What to send, how much to read, whether robots.txt decides; and the cookies, which live as long as the order."""

    max_bytes: int
    headers: dict[str, str] = field(default_factory=dict)
    truncate: bool = False
    robots: bool = True
    cookies: httpx.Cookies = field(default_factory=httpx.Cookies)


class HttpClient:
    """Fetches http and https URLs: one at a time per host, politely, within limits.

    Every connection goes through the guard (`network.Guard`): to public addresses, and to the private hosts that the
    configuration lists. Clock and sleep can be replaced, so that tests need not wait; time-outs of connections always
    run in real time. So can the resolver, whose answers are checked, and the dialer, which is given checked addresses.
    """

    def __init__(
        self,
        fetching: Fetching,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        resolve: Resolver | None = None,
        dialer: httpcore.NetworkBackend | None = None,
    ) -> None:
        self._fetching = fetching
        self._sleep = sleep
        self._pace = Pace(clock, sleep)
        self._robots = Robots(fetching.user_agent, self._robots_response, clock)
        self._budget = Budget()
        guard = Guard(fetching.private_hosts, fetching.ports, resolve)
        # httpx logs whole URLs, with what may be secret in them.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._client = httpx.Client(
            transport=GuardedTransport(GuardedBackend(self._budget, guard, dialer)),
            headers={"User-Agent": fetching.user_agent, "Accept-Encoding": ACCEPTED},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # keeps none: orders have their own
            follow_redirects=False,
            trust_env=False,
        )
        self._finalizer = weakref.finalize(self, self._client.close)

    def get(
        self, url: str, *, accept: str = PAGES, known: Metadata | None = None, max_bytes: int | None = None
    ) -> Response:
        """Fetch a URL, following redirects.

        `known` is the provenance of the copy that is already there: with its ETag or Last-Modified the request becomes
        conditional, and the response may be `not_modified`. Cookies live as long as one call; neither they nor the
        credentials of a URL leave the origin.

        Raises:
            SourceError: `bad_url`, `forbidden_address`, `unreachable`, `timeout`, `tls`, `robots`,
                `robots_unavailable`, `redirects`, `too_large`, `encoding` or `http_404` and so on.
        """
        headers = {"Accept": accept, **_conditions(known or {})}
        order = _Order(max_bytes or self._fetching.max_bytes, headers, robots=self._fetching.respect_robots)
        return self._with_retries(checked(url), order)

    def end_of(self, url: str) -> str:
        """Return where the redirects of a URL end, for programs that must not follow them by themselves.

        Raises:
            SourceError: as for `get`; robots.txt is not asked.
        """
        return self._with_retries(checked(url), _Order(MAX_BYTES, truncate=True, robots=False)).url

    def close(self) -> None:
        """Close all connections."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _robots_response(self, url: httpx.URL) -> Response:
        return self._with_retries(url, _Order(MAX_BYTES, truncate=True, robots=False))

    def _with_retries(self, url: httpx.URL, order: _Order) -> Response:
        for attempt in range(self._fetching.retries):
            try:
                return self._follow(url, order)
            except TransientError as error:
                wait = _BACKOFF_SECONDS * 2**attempt if error.retry_after is None else error.retry_after
                if wait > self._fetching.max_retry_after_seconds:
                    raise
                self._sleep(wait)
        return self._follow(url, order)

    def _follow(self, url: httpx.URL, order: _Order) -> Response:
        asked, seconds, wire = _shown(url), self._fetching.timeout_seconds, _wire_bytes(order)
        for _ in range(self._fetching.max_redirects + 1):
            with at_redirect(asked, _shown(url)):
                self._take_turn(url, order)
                self._budget.start(seconds, wire)
                answer = self._exchange(url, order)
            # Pauses between requests are not the server's fault.
            seconds, wire = self._budget.seconds, self._budget.wire_bytes
            if isinstance(answer, Response):
                return answer
            if not same_origin(url, answer):
                order.cookies.clear()
            url = answer
        raise SourceError(
            "redirects", f"more than max_redirects ({self._fetching.max_redirects}), the last to {_shown(url)}"
        )

    def _take_turn(self, url: httpx.URL, order: _Order) -> None:
        """Wait until the host may be asked again, if it may be asked for this at all."""
        interval = 1.0 / self._fetching.requests_per_second
        if order.robots:
            delay = self._robots.crawl_delay(url)
            interval = max(interval, min(delay, self._fetching.max_crawl_delay_seconds))
        self._pace.wait(url.netloc.decode("ascii"), interval)

    def _exchange(self, url: httpx.URL, order: _Order) -> Response | httpx.URL:
        """Send one request; return the complete response, or where it redirects to."""
        with translated(_shown(url)):
            request = self._client.build_request("GET", url, headers=order.headers, timeout=self._budget.cap(None))
            order.cookies.set_cookie_header(request)
            response = self._send(request)
            try:
                order.cookies.extract_cookies(response)
                if response.status_code in _REDIRECTS and "location" in response.headers:
                    return _redirect(url, response.headers["location"])
                refuse_errors(response, _shown(url))
                found = str(without_credentials(url))
                return Response(found, response.status_code, dict(response.headers), self._body(response, order))
            finally:
                response.close()

    def _send(self, request: httpx.Request) -> httpx.Response:
        """Send a request. A kept connection that the server closed in the meantime says nothing about the server."""
        while True:
            dialled = self._budget.dialled
            try:
                return self._client.send(request, stream=True)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                if self._budget.dialled > dialled:
                    raise

    def _body(self, response: httpx.Response, order: _Order) -> bytes:
        def pieces() -> Iterator[bytes]:
            for piece in response.iter_raw():
                if self._budget.seconds <= 0:
                    raise httpx.ReadTimeout("the response took longer than allowed")
                yield piece

        encoding = response.headers.get("content-encoding", "")
        return bounded(decoded(pieces(), encoding, order.max_bytes), order.max_bytes, truncate=order.truncate)


def _wire_bytes(order: _Order) -> int:
    """Return how many bytes may come in for a request: what does not shrink when compressed, and some framing."""
    return order.max_bytes + order.max_bytes // 64 + _HEAD_BYTES


def _conditions(known: Metadata) -> dict[str, str]:
    """Return what asks for a page only if it has changed; what cannot stand in a head is not sent back."""
    names = {"etag": "If-None-Match", "last_modified": "If-Modified-Since"}
    given = {header: str(known.get(name) or "") for name, header in names.items()}
    return {header: value for header, value in given.items() if value and value.isascii() and value.isprintable()}


def _shown(url: httpx.URL) -> str:
    text = str(without_credentials(url))
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def _redirect(url: httpx.URL, location: str) -> httpx.URL:
    """Return the target of a redirect, with the credentials only if it stays at the same origin."""
    try:
        target = checked(str(url.join(location)))
    except (SourceError, httpx.InvalidURL, ValueError) as error:
        raise SourceError("redirects", f"{_shown(url)} redirects to something that is not fetched: {error}") from error
    return target.copy_with(userinfo=url.userinfo if same_origin(url, target) else b"")

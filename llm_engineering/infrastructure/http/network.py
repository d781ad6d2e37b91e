"""The connections of the HTTP client: guarded addresses, and one budget of time and bytes for a whole request.

httpx bounds each single read, so a server that sends a byte now and then could hold us for hours, and one that sends
empty pieces could send for ever. Here every operation on a connection gets what is left of the request's time, and
every byte from the wire is counted. All connections of all hops, robots.txt included, are opened by
`GuardedBackend.connect_tcp`: the guard resolves and checks, and only checked addresses are connected to. A connection
that is kept alive stays at the address that was checked. The name goes on being used where a name belongs: in the Host
header and in TLS. Proxies from the environment are not used, because they would choose the address instead.
"""

import threading
import time
from collections.abc import Iterable
from ssl import SSLContext
from typing import Any

import httpcore
import httpx

from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.network import Guard


class Budget(threading.local):
    """What the request of this thread may still take: time on the monotonic clock, and bytes from the wire.

    `dialled` counts the connections that this thread has asked for.
    """

    moment = float("inf")
    wire_bytes = 0
    dialled = 0

    def start(self, seconds: float, wire_bytes: int) -> None:
        """Let the time run: `seconds` from now."""
        self.moment = time.monotonic() + seconds
        self.wire_bytes = wire_bytes

    @property
    def seconds(self) -> float:
        """The seconds that are left, negative when the time is up."""
        return self.moment - time.monotonic()

    def cap(self, timeout: float | None) -> float | None:
        """Return the smaller of the time-out and the time left, never zero, because zero would mean non-blocking."""
        if self.moment == float("inf"):
            return timeout
        left = max(self.seconds, 0.001)
        return left if timeout is None else min(timeout, left)

    def spend(self, count: int) -> None:
        """Count bytes that came in.

        Raises:
            SourceError: `too_large`.
        """
        self.wire_bytes -= count
        if self.wire_bytes < 0:
            raise SourceError("too_large", "the server sent more bytes than max_bytes allows for one request")


class _BoundedStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, budget: Budget) -> None:
        self._stream = stream
        self._budget = budget

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._budget.seconds <= 0:  # a server that always has a byte ready would never run into the time-out
            raise httpcore.ReadTimeout("the response took longer than allowed")
        data = self._stream.read(max_bytes, self._budget.cap(timeout))
        self._budget.spend(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._budget.cap(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._budget.cap(timeout))
        return _BoundedStream(stream, self._budget)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class GuardedBackend(httpcore.NetworkBackend):
    """Opens TCP connections to checked addresses only; each of their operations respects the budget.

    `dialer` opens the connections; what it is given is a checked address, never a name.
    """

    def __init__(self, budget: Budget, guard: Guard, dialer: httpcore.NetworkBackend | None = None) -> None:
        self._budget = budget
        self._guard = guard
        self._dialer = dialer or httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        self._budget.dialled += 1
        addresses = self._guard.addresses(host, port, self._budget.cap(timeout) or 0.0)
        for left in range(len(addresses), 1, -1):
            seconds = self._budget.cap(timeout)
            share = None if seconds is None else seconds / left  # so that a silent address leaves time for the others
            try:
                return self._dial(addresses[-left], port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return self._dial(addresses[-1], port, self._budget.cap(timeout), local_address, socket_options)

    def _dial(self, address: str, port: int, timeout: float | None, *rest: Any) -> httpcore.NetworkStream:
        return _BoundedStream(self._dialer.connect_tcp(address, port, timeout, *rest), self._budget)


class GuardedTransport(httpx.HTTPTransport):
    """httpx's transport over guarded and bounded connections."""

    def __init__(self, backend: GuardedBackend) -> None:
        context = httpx.create_ssl_context()
        super().__init__(verify=context)
        self._pool = httpcore.ConnectionPool(ssl_context=context, keepalive_expiry=5.0, network_backend=backend)

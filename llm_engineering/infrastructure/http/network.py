"""The connections of the HTTP client: one deadline for a whole request, and one place where addresses are chosen.

httpx bounds each single read, so a server that sends a byte now and then could hold us for hours. Here every operation
on a connection gets what is left of the request's time. All connections of all hops are opened by
`BoundedBackend.connect_tcp`: who wants to check the address that a name resolves to does it there. Proxies from the
environment are not used, because they would choose the address instead.
"""

import threading
import time
from collections.abc import Iterable
from ssl import SSLContext
from typing import Any

import httpcore
import httpx


class Deadline(threading.local):
    """When the request of this thread must be over, on the monotonic clock."""

    moment = float("inf")

    def start(self, seconds: float) -> None:
        """Let the time run: `seconds` from now."""
        self.moment = time.monotonic() + seconds

    @property
    def remaining(self) -> float:
        """The seconds that are left, negative when the time is up."""
        return self.moment - time.monotonic()

    def cap(self, timeout: float | None) -> float | None:
        """Return the smaller of the time-out and the time left, never zero, because zero would mean non-blocking."""
        if self.moment == float("inf"):
            return timeout
        left = max(self.remaining, 0.001)
        return left if timeout is None else min(timeout, left)


class _BoundedStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.cap(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.cap(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.cap(timeout))
        return _BoundedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class BoundedBackend(httpcore.NetworkBackend):
    """Opens TCP connections whose every operation respects the deadline."""

    def __init__(self, deadline: Deadline) -> None:
        self._backend = httpcore.SyncBackend()
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        # The place for an address guard: resolve the host, check the addresses, connect to a checked one.
        stream = self._backend.connect_tcp(host, port, self._deadline.cap(timeout), local_address, socket_options)
        return _BoundedStream(stream, self._deadline)


class BoundedTransport(httpx.HTTPTransport):
    """httpx's transport over connections that respect the deadline."""

    def __init__(self, deadline: Deadline) -> None:
        context = httpx.create_ssl_context()
        super().__init__(verify=context)
        self._pool = httpcore.ConnectionPool(
            ssl_context=context, keepalive_expiry=5.0, network_backend=BoundedBackend(deadline)
        )

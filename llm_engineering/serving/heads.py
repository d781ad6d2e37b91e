"""How HTTP is read and written: how much of a request is read before it is known what it asks for (its first line and
its headers), and that the head of a reply leaves together with its body."""

import asyncio
from typing import Any, Literal, cast

# Bytes. uvicorn's parser in Python has this limit itself; the one in C collects headers as long as they come.
LONGEST_HEAD = 65_536
# Bytes that are held back for what is written after them.
_TOGETHER = 65_536


class Joined:
    """A transport that sends together what is written in one turn of the loop.

    uvicorn writes the head of a reply and its body one by one, which makes of a short reply two calls of the system
    here and two wake-ups there: a fifth of what the refusal of a request costs.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []
        self._held = 0

    def write(self, data: bytes) -> None:
        """Send these bytes, at the end of this turn at the latest."""
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)
        self._held += len(data)
        if self._held > _TOGETHER:  # the transport is to see how much it has, and to say when it is too much
            self._flush()

    def close(self) -> None:
        """Send what was written, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._parts:
            data = b"".join(self._parts)
            self._parts.clear()
            self._held = 0
            self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def protocol() -> "type | Literal['h11']":
    """Return what uvicorn is to read HTTP with: the parser in C with a limit, or the one in Python without it."""
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
    except ImportError:
        return "h11"

    class Bounded(HttpToolsProtocol):
        """Ends a connection whose request has a head without end, and sends heads together with bodies."""

        _in_head = False
        _begun = False  # with the bytes at hand, which may hold the end of a request before it
        _read = 0  # bytes of it since

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            joined = Joined(cast("asyncio.Transport", transport), self.loop)
            super().connection_made(cast("asyncio.Transport", joined))

        def data_received(self, data: bytes) -> None:
            self._begun = False
            super().data_received(data)
            self._read = self._read + len(data) if self._in_head and not self._begun else 0
            if self._read > LONGEST_HEAD and not self.transport.is_closing():
                self.send_400_response(f"The head of a request has {LONGEST_HEAD} bytes at most.")

        def on_message_begin(self) -> None:
            self._in_head = self._begun = True
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._in_head = False
            super().on_headers_complete()

    return Bounded

"""How much of a request is read before it is known what it asks for: its first line and its headers."""

from typing import Literal

# Bytes. uvicorn's parser in Python has this limit itself; the one in C collects headers as long as they come.
LONGEST_HEAD = 65_536


def protocol() -> "type | Literal['h11']":
    """Return what uvicorn is to read HTTP with: the parser in C with a limit, or the one in Python without it."""
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
    except ImportError:
        return "h11"

    class Bounded(HttpToolsProtocol):
        """Ends a connection whose request has a head without end."""

        _in_head = False
        _begun = False  # with the bytes at hand, which may hold the end of a request before it
        _read = 0  # bytes of it since

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

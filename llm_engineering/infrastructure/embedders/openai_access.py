"""How a server of embeddings is reached: by which address, with which key, and how much of its answers is read."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from llm_engineering.domain.errors import UsageError

if TYPE_CHECKING:
    import httpx2
    from openai import OpenAI

_CONNECT_SECONDS = 10.0
# Read from the environment by OpenAI's library, and of no concern to other servers.
_OPENAI_ALONE = ("openai-organization", "openai-project")


def checked_access(address: str, key: str, *, allowed: bool) -> tuple[str, str]:
    """Return an address and a key that may be used together.

    Raises:
        UsageError: the address is none, holds a password, or is plain http to another machine and there is a key.
    """
    wanted = "use http://HOST:PORT/v1 or https://HOST/v1"
    try:
        parts = urlsplit(address)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        raise UsageError(f"`base_url` of the embedder cannot be read as an address; {wanted}") from None
    if parts.username or parts.password:
        raise UsageError("`base_url` of the embedder holds a user or a password; set `api_key` instead")
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_valid:
        raise UsageError(f"`base_url` of the embedder is no address of a server; {wanted}")
    if key and (not (key.isascii() and key.isprintable()) or key != key.strip()):
        raise UsageError(
            "the key of the embedder holds spaces around it, line breaks or characters outside ASCII; copy it again"
        )
    if key and parts.scheme == "http" and not is_loopback(parts.hostname) and not allowed:
        raise UsageError(
            f"the key of the embedder would be sent to {parts.hostname} readable for everybody on the way; use https, "
            "or, where the network is your own, set `allow_insecure_key: true`"
        )
    return address, key


def is_loopback(host: str) -> bool:
    """Return whether the host is this machine, by its spelling alone."""
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return False


def open_client(address: str, key: str, *, seconds: float, most_bytes: int, is_openai: bool) -> "OpenAI":
    """Return OpenAI's client for a server. It follows no redirects and tries once; others decide what comes then.

    `seconds` is for one request as a whole, `most_bytes` how long an answer may be.
    """
    import httpx2
    from openai import OpenAI

    host = urlsplit(address).hostname or ""

    def strip(request: httpx2.Request) -> None:
        for name in () if is_openai else _OPENAI_ALONE:
            request.headers.pop(name, None)
        if not key:
            request.headers.pop("authorization", None)

    http = httpx2.Client(
        timeout=httpx2.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS)),
        follow_redirects=False,
        trust_env=not is_loopback(host),  # no proxy gets what is meant for this machine
        # A small compressed answer can become a huge one.
        headers={"Accept-Encoding": "identity"},
        event_hooks={"request": [strip], "response": [_bounded(most_bytes, seconds)]},
    )
    return OpenAI(base_url=address, api_key=key or "none", http_client=http, max_retries=0, timeout=http.timeout)


def _bounded(most_bytes: int, seconds: float) -> "Callable[[httpx2.Response], None]":
    import httpx2

    class Unwelcome(httpx2.ReadError):
        """An answer that is not read on."""

        is_unwelcome = True

    class Bounded(httpx2.SyncByteStream):
        """Counts what is read and how long it takes, and stops at the limits."""

        def __init__(self, inner: httpx2.SyncByteStream) -> None:
            self._inner = inner

        def __iter__(self) -> Iterator[bytes]:
            left, end = most_bytes, time.monotonic() + seconds
            for chunk in self._inner:
                left -= len(chunk)
                if left < 0:
                    raise Unwelcome(f"its answer is longer than {most_bytes} bytes")
                if time.monotonic() > end:
                    raise httpx2.ReadTimeout(f"its answer took longer than {seconds:g} s")
                yield chunk

        def close(self) -> None:
            self._inner.close()

    def bound(response: httpx2.Response) -> None:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            response.close()
            raise Unwelcome("its answer is compressed, although that was not asked for")
        if isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = Bounded(response.stream)

    return bound

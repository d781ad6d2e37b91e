"""The HTTP client of model libraries: no redirects, and answers of a bounded size."""

from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from llm_engineering.domain.errors import UsageError

if TYPE_CHECKING:
    import httpx2

# An answer of 100,000 tokens, streamed with 300 bytes around each, is 30 MB.
MOST_BYTES = 64 * 2**20
_CONNECT_SECONDS = 10.0
# The layers above watch the time; this ends what they have forgotten.
_SECONDS = 3_600.0


def client(most_bytes: int = MOST_BYTES) -> "httpx2.AsyncClient":
    """Return a client that follows no redirect, because it would carry the prompt to another server."""
    import httpx2

    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=32)
    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(_SECONDS, connect=_CONNECT_SECONDS),
        limits=limits,
        follow_redirects=False,
        # A small compressed answer can become a huge one. Those of models are small enough.
        headers={"Accept-Encoding": "identity"},
        event_hooks={"response": [_bounded(most_bytes)]},
    )


def _bounded(most_bytes: int) -> "Callable[[httpx2.Response], Awaitable[None]]":
    import httpx2

    class Unwelcome(httpx2.ReadError):
        """An answer that is not read on. Its message goes to the user."""

        is_unwelcome = True

    class Bounded(httpx2.AsyncByteStream):
        """Counts what is read, and stops at the limit."""

        def __init__(self, inner: httpx2.AsyncByteStream) -> None:
            self._inner = inner

        async def __aiter__(self) -> AsyncIterator[bytes]:
            left = most_bytes
            async for chunk in self._inner:
                left -= len(chunk)
                if left < 0:
                    raise Unwelcome(f"its answer is longer than {most_bytes} bytes")
                yield chunk

        async def aclose(self) -> None:
            await self._inner.aclose()

    async def bound(response: httpx2.Response) -> None:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise Unwelcome("its answer is compressed, although that was not asked for")
        if isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = Bounded(response.stream)

    return bound


def require(module: str, extra: str, kind: str) -> None:
    """Check that the library of a kind of model is installed.

    Raises:
        UsageError: it is not; says what to type.
    """
    try:
        import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        hint = f"; its module {error.name} is missing" if find_spec(name) and error.name else ""
        raise UsageError(
            f"models of kind {kind!r} need the extra {extra!r}{hint}; type: poetry install --extras {extra}"
        ) from error

"""What goes wrong between us and a server, in our own words."""

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.http.pace import retry_after

_RETRIED = frozenset({408, 429, 502, 503, 504})


class TransientError(SourceError):
    """An error that may be gone at the next attempt; `retry_after` is what the server asked for, in seconds."""

    def __init__(self, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(reason, message)
        self.retry_after = retry_after


def refuse_errors(response: httpx.Response, shown: str) -> None:
    """Raise what a status other than success means: `http_404` and so on."""
    status = response.status_code
    asked = {"if-none-match", "if-modified-since"} & set(response.request.headers)
    # Unasked, a 304 would vouch for a copy that nobody has, and a 206 would pass a part off as the whole.
    if (200 <= status < 300 and status != 206) or (status == 304 and asked):
        return
    message = f"{shown} answered {status} {response.reason_phrase}".rstrip()
    if status in _RETRIED:
        wait = retry_after(response.headers.get("retry-after", ""), time.time())
        later = f"; it asks to come back in {wait:.0f} s" if wait is not None else ""
        raise TransientError(f"http_{status}", message + later, wait)
    raise SourceError(f"http_{status}", message)


@contextmanager
def translated(shown: str) -> Iterator[None]:
    """Turn the exceptions of httpx into our own, so that nobody else needs to know it."""
    try:
        yield
    except SourceError as error:
        if error.reason in ("unreachable", "timeout"):  # the body ended too early, or the name could not be resolved
            raise TransientError(error.reason, f"{shown}: {error}") from error
        raise
    except httpx.TimeoutException as error:
        raise TransientError("timeout", f"{shown} did not answer in time ({error or 'timeout_seconds'})") from error
    except httpx.ConnectError as error:
        if _is_tls(error):
            raise SourceError("tls", f"no safe connection to {shown}: {error}") from error
        raise TransientError("unreachable", f"no connection to {shown}: {error}; check the address") from error
    except httpx.InvalidURL as error:  # the address was checked before: httpx looked at a Location header
        raise SourceError("redirects", f"{shown} redirects to something that is no URL: {error}") from error
    except httpx.LocalProtocolError as error:
        raise SourceError("bad_url", f"{shown} cannot be requested: {error}") from error
    except httpx.TransportError as error:
        if "location header" in str(error).lower():
            raise SourceError("redirects", f"{shown} redirects to something that is no URL: {error}") from error
        raise TransientError("unreachable", f"the connection to {shown} was lost: {error}") from error
    except (UnicodeError, OverflowError) as error:  # names that the resolver cannot take
        raise SourceError("bad_url", f"{shown} cannot be requested: {error}") from error


@contextmanager
def at_redirect(asked: str, shown: str) -> Iterator[None]:
    """Name the URL that was asked for where a redirect led to something that may not be connected to."""
    try:
        yield
    except SourceError as error:
        if error.reason != "forbidden_address" or asked == shown:
            raise
        raise SourceError(error.reason, f"{asked} redirects to {shown}: {error}") from error


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False

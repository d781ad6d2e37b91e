"""URLs: which are acceptable, which are the same, and how they may be shown."""

import re
from urllib.parse import urlsplit

import httpx

from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.network.hosts import spelled

# Parameters that say where a reader came from, never what is shown.
_TRACKING = re.compile(r"(?i)^(utm_\w+|fbclid|gclid|mc_cid|mc_eid|igshid)(=|$)")
_AUTHORITY = re.compile(r"[A-Za-z]+://([^/?#]*)")
_PORT = re.compile(r":[0-9]*$")
_BLANK_OR_CONTROL = re.compile(r"[\s\x00-\x1f\x7f]")


def checked(url: str) -> httpx.URL:
    """Return the http or https URL, parsed and without its fragment.

    Raises:
        SourceError: `bad_url`, with what is wrong.
    """
    text = url.strip()
    if _BLANK_OR_CONTROL.search(text):
        raise SourceError(
            "bad_url", f"{_shown(text)!r} holds blanks or control characters; encode them as %20 and so on"
        )
    try:
        # Lone surrogates cannot be encoded; httpx would let the UnicodeError through.
        text.encode()
        parsed = httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise SourceError("bad_url", f"{_shown(text)!r} is not a URL: {error}") from error
    if parsed.scheme not in ("http", "https"):
        raise SourceError(
            "bad_url", f"{_shown(text)!r} has the scheme {parsed.scheme!r}; only http and https are fetched"
        )
    if not parsed.raw_host or (parsed.port is not None and not 0 < parsed.port < 65536):
        raise SourceError(
            "bad_url", f"{_shown(text)!r} has no valid host; expected something like https://example.com/page"
        )
    _refuse_disguises(text, parsed)
    return parsed.copy_with(fragment=None)


def normalised(url: str) -> str:
    """Return the one spelling of a page's URL: no credentials, fragment, default port or tracking parameters.

    >>> normalised("HTTPS://Example.com:443/a?utm_source=x&page=2#top")
    'https://example.com/a?page=2'

    Raises:
        SourceError: `bad_url`.
    """
    parsed = checked(url)
    kept = [part for part in parsed.query.decode("ascii").split("&") if part and not _TRACKING.match(part)]
    plain = urlsplit(str(without_credentials(parsed).copy_with(query="&".join(kept).encode() or None)))
    return plain._replace(path=plain.path or "/").geturl()


def without_credentials(url: httpx.URL) -> httpx.URL:
    """Return the URL as it may be stored, shown and logged."""
    return url.copy_with(userinfo=b"")


def same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    """Tell whether scheme, host and port agree: only then may credentials go along."""
    return (one.scheme, one.raw_host, one.port) == (other.scheme, other.raw_host, other.port)


def _refuse_disguises(text: str, parsed: httpx.URL) -> None:
    """Refuse what two programs could read as two hosts: backslashes, several @, addresses in unusual spellings."""
    authority = _AUTHORITY.match(text)
    written = authority.group(1) if authority else ""
    if "\\" in written or written.count("@") > 1:
        raise SourceError(
            "bad_url", f"{_shown(text)!r} can be read as two different hosts; encode \\ and @ in passwords"
        )
    try:
        spelled(_PORT.sub("", written.rpartition("@")[2]))
        spelled(parsed.raw_host.decode("ascii"))
    except SourceError as error:
        raise SourceError(error.reason, f"{_shown(text)!r} is not fetched: {error}") from error


def _shown(text: str) -> str:
    """Return a URL that could not be parsed for an error message: shortened, without what looks like credentials."""
    return re.sub(r"//[^/]*@", "//", text)[:200]

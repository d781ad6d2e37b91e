"""Calls to a Qdrant server: the key kept secret, a server that is away ridden out, its errors in our words.

Every call that this project makes can be repeated: points and indexes are written under names and ids of our own, and
metadata and aliases are set to a value. So a call whose answer was lost is simply made again.

The loop is near to that of `versioned/calls.py` and differs on purpose: Qdrant says how long to wait (Retry-After), a
refusal is told by its status, and a server that never answered is waited for as long as one that did.
"""

import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from urllib.parse import urlsplit

from loguru import logger
from qdrant_client import QdrantClient

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.infrastructure.vector_stores.qdrant.failures import CLIENT_ERRORS, Failure, failure_of

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.qdrant.spec import Qdrant

P = ParamSpec("P")
T = TypeVar("T")

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0


class Refused(BackendError):  # noqa: N818 - an answer, which the caller may have expected
    """The server answered, and its answer is no. `status` is the HTTP status: 404, 409, 413 …"""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Server:
    """One Qdrant server and how long we wait for it."""

    def __init__(self, client: QdrantClient, url: str, key: str, patience: float) -> None:
        self.client = client
        self.url = url
        self._key = key
        self._patience = patience
        self._version: tuple[int, int] | None = None

    def call(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of the client, again and again while the server is away or overloaded.

        Raises:
            BackendError: the server stayed away (transient), or refused the call (`Refused`, with its status).
            UsageError: the server wants another API key.
        """
        started, pause = time.monotonic(), FIRST_PAUSE
        while True:
            try:
                return method(*args, **kwargs)
            except CLIENT_ERRORS as error:
                failure = failure_of(error)
                waited = time.monotonic() - started
                rest = max(pause, failure.retry_after)
                if not failure.transient or waited + rest > self._patience:
                    raise self._translated(failure, waited) from error
                if pause == FIRST_PAUSE:
                    logger.warning(
                        "Qdrant at {} does not answer as it should ({}); trying again for up to {:.0f} s",
                        self.url,
                        self._scrubbed(failure.says),
                        self._patience,
                    )
            time.sleep(rest)
            pause = min(pause * 2, LONGEST_PAUSE)

    @property
    def version(self) -> tuple[int, int]:
        """The server's major and minor version, asked once."""
        if self._version is None:
            text = self.call(self.client.info).version
            major, _, rest = text.partition(".")
            minor = rest.partition(".")[0]
            # A build of one's own may be named anything; it is taken for a new one.
            self._version = (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else (999, 0)
        return self._version

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def _translated(self, failure: Failure, waited: float) -> BackendError | UsageError:
        says = self._scrubbed(failure.says)
        if failure.transient:
            return BackendError(
                f"the Qdrant server at {self.url} cannot be used: {says}. It was asked for {waited:.0f} s "
                "(load: store: patience_seconds). Check that it runs and can be reached from here, then run again: "
                "what was written is kept",
                transient=True,
            )
        if failure.status in (401, 403):
            return UsageError(
                f"the Qdrant server at {self.url} refused access ({says}); set LLM_ENGINEERING_QDRANT_API_KEY to a key "
                "that may read and write"
            )
        return Refused(failure.status, f"the Qdrant server at {self.url} refused a request: {says}")

    def _scrubbed(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


def connect(spec: "Qdrant", url: str, key: str) -> Server:
    """Return the server at a URL; nothing is sent yet.

    Raises:
        UsageError: the URL is none, or the key would be readable on the way.
    """
    url = checked_url(url)
    check_key(url, key, allowed=spec.allow_insecure_key)
    with warnings.catch_warnings():
        # The client warns of a key over plain http; whether that is all right was decided above.
        warnings.filterwarnings("ignore", message="Api key is used with an insecure connection", category=UserWarning)
        client = QdrantClient(
            url=url,
            api_key=key or None,
            timeout=spec.timeout_seconds,
            prefer_grpc=spec.prefer_grpc,
            check_compatibility=False,  # it warns on standard error from a thread; what matters is checked in `version`
            trust_env=not is_loopback(urlsplit(url).hostname or ""),  # no proxy gets what is meant for this machine
        )
    return Server(client, url, key, spec.patience_seconds)


def checked_url(url: str) -> str:
    """Refuse what is no address of a server, and addresses with a password in them."""
    if not url:
        raise UsageError(
            "no Qdrant server is named; set LLM_ENGINEERING_QDRANT_URL (or load: store: url), for example "
            "http://127.0.0.1:6333"
        )
    wanted = "use http://HOST:PORT or https://HOST:PORT, for example http://127.0.0.1:6333"
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        raise UsageError(f"the URL of the Qdrant server cannot be read; {wanted}") from None
    if parts.username or parts.password:
        raise UsageError(
            "the URL of the Qdrant server holds a user or password; take it out and set LLM_ENGINEERING_QDRANT_API_KEY"
        )
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or not port_is_valid
        or parts.query
        or parts.fragment
    ):
        raise UsageError(f"the URL of the Qdrant server is {url!r}; {wanted}")
    return url.rstrip("/")


def check_key(url: str, key: str, *, allowed: bool) -> None:
    """Refuse a key that no header can hold, and one that anybody on the way could read."""
    if not key:
        return
    if not (key.isascii() and key.isprintable()) or key != key.strip():
        raise UsageError(
            "LLM_ENGINEERING_QDRANT_API_KEY holds spaces around it, line breaks or characters outside ASCII; copy the "
            "key again"
        )
    parts = urlsplit(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or "") and not allowed:
        raise UsageError(
            f"the API key would be sent to {url} readable for everybody on the way; use https, or, where the network "
            "is your own, set load: store: allow_insecure_key: true"
        )


def is_loopback(host: str) -> bool:
    """Return whether the host is this machine, by its spelling alone."""
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return False

"""The client of Chroma: opened when it is first needed, without telemetry; its errors in our words."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import httpx

from llm_engineering.domain.secrets import remember
from llm_engineering.infrastructure.vector_stores.versioned.calls import Calls, Failure, T

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.chroma.spec import Chroma

CONNECT_SECONDS = 2.0
FILE = "chroma.sqlite3"
RIGHTS = ("unauthorized", "forbidden", "401", "403", "permission")
AWAY = ("could not connect", "database is locked", "rate limit", "503", "502", "timed out")


class ChromaClient:
    """One folder or one server, for all threads."""

    def __init__(self, spec: "Chroma", folder: Path | None, address: str, place: str) -> None:
        self.folder = folder
        self._spec = spec
        self._address = address
        self._opened: Any = None
        self._lock = Lock()
        # A server's refusals come as bare exceptions.
        self._call = Calls(place, spec.patience_seconds, (Exception,), lambda error: failure_of(error, spec))

    def run(self, work: Callable[[Any], T]) -> T:
        """Do some work with the client; again if the server was away meanwhile."""
        return self._call(lambda: work(self._client()))

    def exists(self) -> bool:
        """Return whether there may be anything; a folder is not created by asking."""
        return self.folder is None or (self.folder / FILE).exists()

    def close(self) -> None:
        """Close the client."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()
            for session in sessions_of(opened):
                session.close()

    def _client(self) -> Any:
        with self._lock:
            if self._opened is None:
                self._opened = self._at(self.folder) if self.folder is not None else self._on_server()
            return self._opened

    def _at(self, folder: Path) -> Any:
        import chromadb

        folder.mkdir(parents=True, exist_ok=True)
        return chromadb.PersistentClient(str(folder), settings=settings())

    def _on_server(self) -> Any:
        import chromadb

        parts = urlsplit(self._address)
        port = parts.port or (443 if parts.scheme == "https" else 8000)
        headers = credentials(parts.username or "", parts.password or "")
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        # Chroma's own client waits for ever, so the server is asked before whether it is there.
        limits = httpx.Timeout(float(self._spec.timeout_seconds), connect=CONNECT_SECONDS)
        first = httpx.Timeout(min(3.0, float(self._spec.timeout_seconds)), connect=CONNECT_SECONDS)
        address = f"{parts.scheme}://{host}:{port}/api/v2"
        httpx.get(f"{address}/heartbeat", headers=headers, timeout=first).raise_for_status()
        opened = chromadb.HttpClient(
            host=parts.hostname or "",
            port=port,
            ssl=parts.scheme == "https",
            headers=headers,
            settings=settings(),
            tenant=self._spec.tenant,
            database=self._spec.database,
        )
        for session in sessions_of(opened):
            session.timeout = limits
        return opened


def sessions_of(client: Any) -> list[httpx.Client]:
    """Return the HTTP clients inside a client of a server, which Chroma gives no time-out and does not close."""
    parts = (client, getattr(client, "_admin_client", None))
    found = [getattr(getattr(part, "_server", None), "_session", None) for part in parts]
    return [session for session in found if isinstance(session, httpx.Client)]


def settings() -> Any:
    """Return Chroma's settings: no telemetry; `.env` of the working folder is ours, not Chroma's."""
    from chromadb.config import Settings

    return Settings(_env_file=None, anonymized_telemetry=False)


def credentials(user: str, password: str) -> dict[str, str]:
    """Return the headers for what stands before the @ of an address: user and password, or a token alone."""
    user, password = unquote(user), unquote(password)
    if password and user:
        basic = b64encode(f"{user}:{password}".encode()).decode()
        remember(basic)
        return {"Authorization": f"Basic {basic}"}
    token = user or password
    if not token:
        return {}
    remember(token)
    return {"Authorization": f"Bearer {token}", "X-Chroma-Token": token}


def is_missing(error: Exception) -> bool:
    """Return whether a collection is not there."""
    from chromadb.errors import NotFoundError

    return isinstance(error, NotFoundError)


@contextmanager
def or_missing() -> Iterator[None]:
    """Go on where a collection is not there."""
    from chromadb.errors import NotFoundError

    try:
        yield
    except NotFoundError:
        return


def failure_of(error: Exception, spec: "Chroma") -> Failure:
    """Say what an error of Chroma means."""
    says = str(error) or type(error).__name__
    lower = says.lower()
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        says = f"it answered with status {status}"
        if status not in (401, 403):
            mend = f"mend load: store: url or {spec.variable()}; it has to be Chroma 1.0 or newer"
            return Failure(says, transient=True) if status >= 500 or status == 429 else Failure(says, mend=mend)
    if isinstance(error, httpx.HTTPError) and not isinstance(error, httpx.HTTPStatusError):
        return Failure(says, transient=True)
    if any(word in lower for word in AWAY):
        return Failure(says, transient=True)
    if type(error).__name__ in ("ChromaAuthError", "AuthorizationError") or any(word in lower for word in RIGHTS):
        return Failure(says, mend=f"mend user and password, or the token, in {spec.variable()}: {spec.example}")
    if "tenant" in lower:
        return Failure(says, mend="mend load: store: tenant and database, or create them on the server")
    if is_missing(error):
        return Failure(f"{says}; somebody removed it. Run the feature pipeline to build the index again")
    return Failure(says)

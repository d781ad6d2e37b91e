"""The client of ClickHouse: connected when it is first needed; its errors in our words."""

import re
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import clickhouse_connect
import httpx
import urllib3
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from llm_engineering.infrastructure.vector_stores.versioned.calls import Calls, Failure

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from llm_engineering.infrastructure.vector_stores.clickhouse.spec import Clickhouse

CONNECT_SECONDS = 2
# For the first word of a server, so that a wrong address is noticed at once.
FIRST_SECONDS = 3.0
SETTINGS = {
    # A call returns when what it changed is changed, on all replicas.
    "mutations_sync": 2,
    # A replicated table would drop a block that equals an earlier one, even if that was removed since.
    "insert_deduplicate": 0,
    "async_insert": 0,
    # Thousands of ids in one condition.
    "max_query_size": 64 * 1024 * 1024,
}
CODE = re.compile(r"\bCode: (\d+)")
ACCESS = {192, 193, 194, 195, 516}
NO_RIGHT, NO_DATABASE, NO_TABLE = 497, 81, 60
# Too many queries or parts, out of memory, a timeout, a connection of its own, a table that is read-only for now.
TRANSIENT = {159, 202, 209, 210, 241, 242, 252, 279, 319}
ERRORS = (ClickHouseError, httpx.HTTPError, urllib3.exceptions.HTTPError, OSError)


class ClickhouseClient:
    """One database of a server, for all threads."""

    def __init__(self, url: str, spec: "Clickhouse") -> None:
        self._url = urlsplit(url)
        self._spec = spec
        self._opened: Client | None = None
        self._lock = Lock()
        self._call = Calls(spec.place_of(url), spec.patience_seconds, ERRORS, lambda error: failure_of(error, spec))

    def ask(self, query: str) -> Sequence[Any]:
        """Return the rows of a query."""
        return self._call(lambda: self._client().query(query).result_rows)

    def do(self, statement: str) -> None:
        """Run a statement that returns no rows."""
        self._call(lambda: self._client().command(statement, use_database=True))

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows, all or none."""
        self._call(lambda: self._client().insert(table, rows, column_names=list(columns)))

    def close(self) -> None:
        """Give the connections back."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def _client(self) -> "Client":
        with self._lock:
            if self._opened is None:
                self._opened = self._connected()
            return self._opened

    def _connected(self) -> "Client":
        url, secure = self._url, self._url.scheme == "clickhouses"
        port = url.port or (8443 if secure else 8123)
        host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
        limits = httpx.Timeout(FIRST_SECONDS, connect=CONNECT_SECONDS)
        ping = httpx.get(f"{'https' if secure else 'http'}://{host}:{port}/ping", timeout=limits)
        if ping.text.strip() != "Ok.":
            raise NotClickHouse(" ".join(ping.text.split())[:200] or f"status {ping.status_code}")
        return clickhouse_connect.get_client(
            host=url.hostname or "",
            port=port,
            secure=secure,
            username=unquote(url.username or "default"),
            password=unquote(url.password or ""),
            database=unquote(url.path.strip("/")) or "default",
            connect_timeout=CONNECT_SECONDS,
            send_receive_timeout=self._spec.timeout_seconds,
            query_retries=0,
            settings=SETTINGS,
            # Vectors do not get smaller, and a session would let one query run at a time.
            compress=False,
            autogenerate_session_id=False,
            client_name="llm-engineering",
        )


class NotClickHouse(ClickHouseError):  # noqa: N818 - what is there instead
    """Something else answered."""


def failure_of(error: Exception, spec: "Clickhouse") -> Failure:
    """Say what an error of ClickHouse, or of the way to it, means."""
    says = str(error) or type(error).__name__
    found = CODE.search(says)
    code = int(found.group(1)) if found else 0
    address = f"load: store: url or {spec.variable()}"
    if isinstance(error, NotClickHouse):
        return Failure(f"it answers {says!r}", mend=f"name the port for HTTP (8123, or 8443 with TLS) in {address}")
    if code in ACCESS:
        return Failure(says, mend=f"mend user and password in {address}: {spec.example}")
    if code == NO_DATABASE:
        return Failure(says, mend=f"create that database, or name another one in {address}: {spec.example}")
    if code == NO_RIGHT:
        return Failure(says, mend="give that user the right to create, alter and drop tables in that database")
    if code == NO_TABLE:
        return Failure(f"{says}; somebody removed it. Run the feature pipeline to build the index again")
    lost = not code and isinstance(error, OperationalError | httpx.HTTPError | urllib3.exceptions.HTTPError | OSError)
    return Failure(says, transient=lost or code in TRANSIENT)

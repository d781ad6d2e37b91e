"""Connections to PostgreSQL: borrowed for one call, thrown away when they broke; its errors in our words."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from pgvector.psycopg import register_vector

from llm_engineering.infrastructure.vector_stores.versioned.calls import Calls, Failure

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.pgvector.spec import Pgvector

T = TypeVar("T")
Connection = psycopg.Connection[tuple[Any, ...]]

KEPT = 8
# Per address of the host; libpq takes nothing below 2.
CONNECT_SECONDS = 2
# Shut down or restarting, out of connections, a connection that broke, a serialization failure or a deadlock.
TRANSIENT = ("08", "40", "53300", "57P")
ACCESS = ("28", "3D000")
TIMED_OUT = "57014"
NO_RIGHT = "42501"
NO_TABLE = ("42P01", "3F000")
NO_EXTENSION = ("0A000", "58P01")


class Connections:
    """The connections of one engine, for all of its threads."""

    def __init__(self, url: str, spec: "Pgvector") -> None:
        self._url = url
        self._timeout = spec.timeout_seconds
        self._free: list[Connection] = []
        self._lock = Lock()
        self._call = Calls(spec.place_of(url), spec.patience_seconds, (psycopg.Error,), failure_of)

    def run(self, work: Callable[[Connection], T], *, vectors: bool = False) -> T:
        """Do some work with a connection, in one transaction; again if the server was away meanwhile.

        `vectors`: the work reads or writes vectors as such, so the extension has to be there.
        """

        def attempt() -> T:
            with self._borrowed(vectors=vectors) as connection, connection.transaction():
                return work(connection)

        return self._call(attempt)

    def alone(self, statements: Callable[[Connection], None]) -> None:
        """Run statements that stand in no transaction and may take long: VACUUM."""

        def attempt() -> None:
            with self._borrowed() as connection:
                connection.execute("SET statement_timeout = 0")
                try:
                    statements(connection)
                finally:
                    connection.execute(f"SET statement_timeout = {self._timeout * 1_000}")

        self._call(attempt)

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            free, self._free = self._free, []
        for connection in free:
            connection.close()

    @contextmanager
    def _borrowed(self, *, vectors: bool = False) -> Iterator[Connection]:
        with self._lock:
            connection = self._free.pop() if self._free else None
        connection = connection or self._connected()
        try:
            # A connection that was made before the extension was does not know its types.
            if vectors and connection.adapters.types.get("vector") is None:
                register_vector(connection)
            yield connection
        except BaseException:
            connection.close()
            raise
        with self._lock:
            if len(self._free) < KEPT and not connection.closed:
                self._free.append(connection)
                return
        connection.close()

    def _connected(self) -> Connection:
        return psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            application_name="llm-engineering",
            options=f"-c statement_timeout={self._timeout * 1_000}",
            keepalives_idle=30,
        )


def failure_of(error: Exception) -> Failure:
    """Say what an error of PostgreSQL or of its driver means."""
    state = getattr(error, "sqlstate", None) or ""
    says = str(error) or type(error).__name__
    if state.startswith(ACCESS) or "authentication failed" in says or "no password supplied" in says:
        return Failure(says, mend="mend user, password and database in LLM_ENGINEERING_PGVECTOR_URL")
    if not state and "does not exist" in says:
        return Failure(says, mend="name a database and a user that exist in LLM_ENGINEERING_PGVECTOR_URL")
    if isinstance(error, psycopg.ProgrammingError) and not state:
        if "vector" in says:
            return Failure(says, mend="let an administrator of the database type: CREATE EXTENSION vector")
        return Failure(says, mend="write the address as postgresql://user:password@host:5432/database")
    if state == NO_RIGHT:
        return Failure(says, mend="give that user the right to create, or let an administrator create what is named")
    if state in NO_EXTENSION and "vector" in says:
        return Failure(says, mend="install pgvector on that server (package postgresql-*-pgvector)")
    if state == TIMED_OUT:
        return Failure(f"{says}; raise load: store: timeout_seconds")
    if state in NO_TABLE:
        return Failure(f"{says}; somebody removed it. Run the feature pipeline to build the index again")
    lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and not state
    return Failure(says, transient=lost or state.startswith(TRANSIENT))

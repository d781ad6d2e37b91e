"""What the databases' errors mean for the user: SQLAlchemy's exceptions end here."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from llm_engineering.domain.errors import BackendError, LLMEngineeringError, UsageError

_BUSY = "another process is writing to it; wait until it has finished, or stop it, and run again"
_NOT_OPENED = "it cannot be opened or written; check that its folder exists, that you may write there, and the path"
_FULL = "the disk is full; free some space and run again"
_DAMAGED = "the file is damaged or is no SQLite database; restore a copy, or move it away and build it again"

# SQLite's primary result codes (https://www.sqlite.org/rescode.html) and what to do about them.
_USAGE = {
    sqlite3.SQLITE_CANTOPEN: _NOT_OPENED,
    sqlite3.SQLITE_READONLY: _NOT_OPENED,
    sqlite3.SQLITE_PERM: _NOT_OPENED,
}
_TRANSIENT = {sqlite3.SQLITE_BUSY: _BUSY, sqlite3.SQLITE_LOCKED: _BUSY}
_LASTING = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR: "the disk or the file system reports an error; check it, then run again",
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
}

# PostgreSQL's error classes (https://www.postgresql.org/docs/current/errcodes-appendix.html).
_POSTGRESQL_USAGE = {
    "28": "it refuses this user or password; check the URL",
    "3D": "there is no database of this name; create it with createdb",
    "42501": "this user may not do that; grant it the rights on the database and its schema",
}
_POSTGRESQL_FULL = "53100"
_POSTGRESQL_TRANSIENT = ("08", "40", "53", "55P03", "57")


class Unavailable(BackendError):  # noqa: N818 - a state of the database
    """The database is away, locked or overloaded: the same transaction may pass a moment later."""

    def __init__(self, message: str) -> None:
        super().__init__(message, transient=True)


@contextmanager
def translated(place: str, what: str = "the warehouse") -> Iterator[None]:
    """Turn SQLAlchemy's exceptions inside the block into ours; `place` names the database without its password."""
    try:
        yield
    except SQLAlchemyError as error:
        raise _translation(error, f"{what} {place} failed") from error


def _translation(error: SQLAlchemyError, what: str) -> LLMEngineeringError:
    if isinstance(error, PoolTimeoutError):
        return Unavailable(f"{what}: all connections stayed in use; run again with less work at once")
    if not isinstance(error, DBAPIError):
        return BackendError(f"{what}: {type(error).__name__}: {error}")
    if isinstance(error.orig, sqlite3.Error):
        return _of_sqlite(error.orig, what)
    return _of_server(error, what)


def _of_sqlite(error: sqlite3.Error, what: str) -> LLMEngineeringError:
    # Extended codes (SQLITE_BUSY_SNAPSHOT …) carry the primary one in their low byte; the driver's own have none.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in _USAGE:
        return UsageError(f"{what} ({error}): {_USAGE[code]}")
    if code in _TRANSIENT:
        return Unavailable(f"{what} ({error}): {_TRANSIENT[code]}")
    return BackendError(f"{what} ({error})" + (f": {_LASTING[code]}" if code in _LASTING else ""))


def _of_server(error: DBAPIError, what: str) -> LLMEngineeringError:
    state = getattr(error.orig, "sqlstate", None) or ""
    for prefix, advice in _POSTGRESQL_USAGE.items():
        if state.startswith(prefix):
            return UsageError(f"{what} ({_one_line(error)}): {advice}")
    if state == _POSTGRESQL_FULL:
        return BackendError(f"{what} ({_one_line(error)}): {_FULL}")
    # An operational error without a state comes from the driver: no connection, or a lost one.
    transient = state.startswith(_POSTGRESQL_TRANSIENT) or (not state and isinstance(error, OperationalError))
    if transient:
        return Unavailable(
            f"{what} ({_one_line(error)}): check that the server runs and can be reached, then run again"
        )
    return BackendError(f"{what} ({_one_line(error)})")


def _one_line(error: DBAPIError) -> str:
    return " ".join(str(error.orig).split())

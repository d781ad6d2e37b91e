"""The port `AssistantState` in SQL: SQLAlchemy Core on SQLite or PostgreSQL, one class for each part of the port."""

from typing import Literal, overload

from sqlalchemy import make_url, select
from sqlalchemy.exc import ArgumentError

from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.state.sql import SqlState
from llm_engineering.infrastructure.state.sql_conversations import Conversations
from llm_engineering.infrastructure.state.sql_entries import Entries
from llm_engineering.infrastructure.state.sql_erasure import Erasure
from llm_engineering.infrastructure.state.sql_receipts import Receipts
from llm_engineering.infrastructure.state.sql_tables import HEAD, MIGRATIONS, VERSION_TABLE, metadata
from llm_engineering.infrastructure.warehouse.database import Database
from llm_engineering.infrastructure.warehouse.schema import Schema, bring_up_to_date, revision

WHAT = "the assistant's state"
SCHEMA = Schema(HEAD, VERSION_TABLE, MIGRATIONS, metadata)


class SqlAssistantState(Conversations, Entries, Receipts, Erasure):
    """The port over one database, whose tables are up to date. Threads may share it."""

    def ping(self) -> None:
        with self._database.reading() as connection:
            connection.execute(select(1))

    def close(self) -> None:
        self._database.close()


@overload
def open_database(url: str, spec: SqlState, *, create: Literal[True] = True) -> SqlAssistantState: ...
@overload
def open_database(url: str, spec: SqlState, *, create: Literal[False]) -> SqlAssistantState | None: ...
def open_database(url: str, spec: SqlState, *, create: bool = True) -> SqlAssistantState | None:
    """Open the state at a SQLAlchemy URL with its tables up to date; without `create`, only where there are any."""
    # The last seconds of a chat may be lost with the machine's power, though not with a process: it answers sooner.
    database = Database(_impatient(url, spec.busy_seconds), what=WHAT, synchronous="NORMAL")
    try:
        if create or _is_there(database):
            bring_up_to_date(database, SCHEMA)
            return SqlAssistantState(database, spec)
    except BaseException:
        database.close()
        raise
    database.close()
    return None


def _is_there(database: Database) -> bool:
    if not database.exists():
        return False
    with database.reading() as connection:
        return revision(connection, SCHEMA) is not None


def _impatient(url: str, seconds: float) -> str:
    """Return the URL with the longest time that a connection waits for a lock, unless the URL says it itself."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise UsageError(
            f"{WHAT}: state.url cannot be read; valid are sqlite:////path/to/file.db and postgresql://user@host/name"
        ) from error  # it may hold a password
    if parsed.get_backend_name() == "sqlite":
        wanted = {"timeout": str(seconds)}
    else:
        # 0 would mean for ever.
        wanted = {"options": f"-c lock_timeout={max(round(seconds * 1_000), 1)}", "connect_timeout": "10"}
    missing = {name: value for name, value in wanted.items() if name not in parsed.query}
    return parsed.update_query_dict(missing).render_as_string(hide_password=False)

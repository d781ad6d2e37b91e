"""One database: its engine, its transactions, and the few places where SQLite and PostgreSQL differ."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import (
    URL,
    Column,
    Connection,
    Engine,
    Executable,
    Row,
    Select,
    Table,
    create_engine,
    event,
    make_url,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import QueuePool

from llm_engineering.domain import failpoints
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.infrastructure.warehouse.failures import translated
from llm_engineering.infrastructure.warehouse.patience import patient
from llm_engineering.infrastructure.warehouse.tables import runs

_BUSY_SECONDS = 30.0  # how long a writer waits for another; `?timeout=5` in an SQLite URL changes it
LEASE_SECONDS = 60.0  # a run whose process has shown no life for so long is taken for dead
_VALID = "valid are sqlite:///path/to/file.db, sqlite:// (in memory) and postgresql://user@host/name"
_MIGRATION_LOCK = 0x11E6_5C4E  # an arbitrary number that names our lock among a PostgreSQL server's advisory locks


class Database:
    """An engine with two kinds of transaction. Its errors are ours, never SQLAlchemy's.

    A method reads or writes in short transactions and holds no connection while its caller works, so one that iterates
    over pages and writes in between cannot block itself.
    """

    def __init__(
        self,
        url: str,
        lease_seconds: float = LEASE_SECONDS,
        patience_seconds: float = 0.0,
        *,
        what: str = "the warehouse",
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
    ) -> None:
        parsed = _parse(url, what)
        self.what = what
        self.patience_seconds = patience_seconds
        self.lease_seconds = lease_seconds
        self.place = parsed.render_as_string(hide_password=True)
        self._is_sqlite = parsed.get_backend_name() == "sqlite"
        self._engine = _sqlite_engine(parsed, synchronous) if self._is_sqlite else _postgresql_engine(parsed, what)
        # SQLite: a reader that turns writer fails if another wrote meanwhile; one that begins as a writer waits.
        self._writer = self._engine.execution_options(begin="BEGIN IMMEDIATE")

    @property
    def is_sqlite(self) -> bool:
        return self._is_sqlite

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that only reads."""
        with translated(self.place, self.what), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that writes: it commits at the end of the block, or rolls back on any exception."""
        with translated(self.place, self.what), self._writer.begin() as connection:
            yield connection
            failpoints.reach("warehouse.before_commit")
        failpoints.reach("warehouse.after_commit")

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """Open a transaction that no other process is in: on SQLite the write lock, on PostgreSQL a lock of our own."""
        if self._is_sqlite:
            self._use_write_ahead_log()
        with self.writing() as connection:
            if not self._is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _MIGRATION_LOCK})
            yield connection

    def exists(self) -> bool:
        """Return whether there is a database; SQLite would create its file with the first look."""
        name = self._engine.url.database
        return not self._is_sqlite or (name not in (None, "", ":memory:") and Path(str(name)).exists())

    def compact(self, tables: Sequence[str]) -> None:
        """Rewrite tables, so that what was removed is in no file of the database any more.

        On SQLite all tables are rewritten, and the write-ahead log is emptied. On PostgreSQL each table is locked while
        it is rewritten; what its own write-ahead log and its backups hold goes when they are recycled.
        """
        if self._is_sqlite:
            self._empty_write_ahead_log()
            self._alone("VACUUM")
            self._empty_write_ahead_log()
        else:
            for table in tables:
                self._alone(f"VACUUM (FULL, ANALYZE) {table}")

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """Return the dialect's INSERT, the one that has ON CONFLICT."""
        return sqlite.insert(table) if self._is_sqlite else postgresql.insert(table)

    def pass_over(self, connection: Connection, column: Column[int], last: int) -> None:
        """Let a column that the database numbers go on above `last`; it has given a number before."""
        table = column.table.name
        if self._is_sqlite:
            statement = "UPDATE sqlite_sequence SET seq = max(seq, :last) WHERE name = :table"
        else:
            statement = (
                "SELECT setval(pg_get_serial_sequence(:table, :column), "
                "greatest(:last, nextval(pg_get_serial_sequence(:table, :column))))"
            )
        connection.execute(text(statement), {"last": last, "table": table, "column": column.name})

    def close(self) -> None:
        self._engine.dispose()

    def _empty_write_ahead_log(self) -> None:
        if self._alone("PRAGMA wal_checkpoint(TRUNCATE)")[0][0]:
            raise BackendError(
                f"{self.what} {self.place} is being read by another process, so that removed rows stay in its "
                "write-ahead log; end that process and run this again",
                transient=True,
            )

    def _alone(self, statement: str) -> Sequence[Any]:
        """Execute a statement outside any transaction, and return its rows."""
        options = {"begin": None} if self._is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        with translated(self.place, self.what), self._engine.execution_options(**options).connect() as connection:
            result = connection.exec_driver_sql(statement)
            return result.all() if result.returns_rows else []

    def _use_write_ahead_log(self) -> None:
        # The mode stays with the file, so it is set once, outside any transaction. SQLite answers "locked" here without
        # waiting when several processes do this at once: wait ourselves.
        bare = self._engine.execution_options(begin=None)
        give_up = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                with translated(self.place, self.what), bare.begin() as connection:
                    connection.exec_driver_sql("PRAGMA journal_mode = WAL").close()
                return
            except BackendError as error:
                if not error.transient or time.monotonic() > give_up:
                    raise
            time.sleep(0.02)


class Part:
    """A part of the warehouse: methods over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def patience_seconds(self) -> float:
        """How long a method waits for a database that is away."""
        return self._database.patience_seconds

    @patient
    def _all(self, query: Select[Any]) -> Sequence[Row[Any]]:
        with self._database.reading() as connection:
            return connection.execute(query).all()

    @staticmethod
    def _fence(connection: Connection, run: int) -> None:
        """Refuse a write of a run that was closed as failed; called inside the transaction that writes.

        On PostgreSQL the row stays locked against closing until the transaction ends; SQLite has one writer anyway.
        """
        query = select(runs.c.status).where(runs.c.run == run).with_for_update(read=True)
        if connection.execute(query).scalar_one_or_none() == "failed":
            raise BackendError(
                f"run {run} was closed as failed while this process stood still; it may not write any more. "
                "Start a new run: it goes on where this one was"
            )


def execute_many(connection: Connection, statement: Executable, rows: Sequence[Mapping[str, Any]]) -> None:
    """Execute a statement once for each row; with no rows not at all, where SQLAlchemy would execute it once."""
    if rows:
        connection.execute(statement, rows)


def _parse(url: str, what: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise UsageError(f"{what}'s URL cannot be read; {_VALID}") from error  # it may hold a password
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise UsageError(f"{what}'s URL begins with {parsed.drivername!r}, which is not supported; {_VALID}")
    return parsed


def _sqlite_engine(url: URL, synchronous: str) -> Engine:
    # In memory there is one database a connection: one connection, taken in turns by the threads.
    in_memory = url.database in (None, "", ":memory:")
    pool: dict[str, Any] = {"pool_size": 1, "max_overflow": 0} if in_memory else {}
    arguments: dict[str, Any] = {"check_same_thread": False}
    if "timeout" not in url.query:
        arguments["timeout"] = _BUSY_SECONDS
    engine = create_engine(url, poolclass=QueuePool, connect_args=arguments, hide_parameters=True, **pool)

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: object) -> None:  # noqa: ARG001 - SQLAlchemy's signature
        connection.isolation_level = None  # the driver would begin late, and commit before DDL; we begin ourselves
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA trusted_schema = OFF")  # a planted view or trigger calls no function with side effects
        cursor.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten: see `compact`
        # FULL: a committed ledger survives a loss of power; one fsync a commit. NORMAL: only a kill of the process.
        cursor.execute(f"PRAGMA synchronous = {synchronous}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        statement = connection.get_execution_options().get("begin", "BEGIN")
        if statement:
            connection.exec_driver_sql(statement)

    return engine


def _postgresql_engine(url: URL, what: str) -> Engine:
    try:
        return create_engine(url, pool_pre_ping=True, hide_parameters=True)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{what} is {url.render_as_string()}, and PostgreSQL's driver is not installed; "
            "type: pip install 'psycopg[binary]'"
        ) from error

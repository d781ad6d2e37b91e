"""Transactions of the assistant's state, and what all of its parts share."""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from threading import Lock

from sqlalchemy import Connection, and_, bindparam, delete, select, text

from llm_engineering.infrastructure.state.keeping import Keeping
from llm_engineering.infrastructure.state.sql_tables import (
    citations,
    conversations,
    entries,
    feedback,
    forgotten,
    receipts,
    turns,
)
from llm_engineering.infrastructure.state.sql_upserts import put_if_new
from llm_engineering.infrastructure.warehouse.database import Database, execute_many
from llm_engineering.infrastructure.warehouse.paging import in_groups

_PRUNE_SECONDS = 60.0
_CLOCK = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
_FORGOTTEN = select(forgotten.c.mark).where(forgotten.c.mark.in_(bindparam("marks", expanding=True))).limit(1)
# Numbers of our own among a PostgreSQL server's advisory locks, next to that of the migrations.
_KEEP_ERASURES_OUT = text(f"SELECT pg_advisory_xact_lock_shared({0x11E6_5C4F})")
_KEEP_WRITERS_OUT = text(f"SELECT pg_advisory_xact_lock({0x11E6_5C4F})")
_PRUNE_ALONE = text(f"SELECT pg_try_advisory_xact_lock({0x11E6_5C50})")


class Part:
    """A part of the state: methods over one database. None of them is repeated: a turn must not stand there twice."""

    def __init__(self, database: Database, keeping: Keeping) -> None:
        self._database = database
        self._keeping = keeping
        # SQLite lets one writer in and the others sleep; threads wait for each other better by themselves.
        self._queue = Lock() if database.is_sqlite else nullcontext()
        self._prune_at = 0.0

    @contextmanager
    def _writing(self, *, answers: bool = False) -> Iterator[Connection]:
        """Open a transaction that writes; one that keeps answers shuts out erasures before it takes any other lock."""
        with self._queue, self._database.writing() as connection:
            if answers and not self._database.is_sqlite:
                connection.execute(_KEEP_ERASURES_OUT)
            yield connection

    @contextmanager
    def _erasing(self) -> Iterator[Connection]:
        """Open a transaction while none is open that keeps answers; SQLite has one writer anyway."""
        with self._writing() as connection:
            if not self._database.is_sqlite:
                connection.execute(_KEEP_WRITERS_OUT)
            yield connection

    def _now(self, connection: Connection) -> int:
        """Return the time of the database in microseconds: SQLite's is this machine's."""
        return time.time_ns() // 1_000 if self._database.is_sqlite else int(connection.execute(_CLOCK).scalar_one())

    def _is_forgotten(self, connection: Connection, marks: Collection[str]) -> bool:
        """Return whether something with these marks must not be kept."""
        return any(connection.execute(_FORGOTTEN, {"marks": group}).first() for group in in_groups(sorted(marks)))

    def _cite(self, connection: Connection, answer_id: str, marks: Collection[str]) -> None:
        rows = [{"mark": mark, "answer_id": answer_id} for mark in sorted(marks)]
        execute_many(connection, put_if_new(citations), rows)

    def _remember_forgotten(self, connection: Connection, marks: Collection[str]) -> None:
        rows = [{"mark": mark} for mark in sorted(marks)]
        execute_many(connection, put_if_new(forgotten), rows)

    def _prune(self) -> None:
        """Remove what has expired, now and then: reading passes it over meanwhile."""
        if time.monotonic() < self._prune_at:
            return
        self._prune_at = time.monotonic() + _PRUNE_SECONDS
        with self._writing() as connection:
            if not (self._database.is_sqlite or connection.execute(_PRUNE_ALONE).scalar_one()):
                return
            now = self._now(connection)
            cutoff = self._keeping.cutoff(now)
            connection.execute(delete(entries).where(entries.c.expires_at <= now))
            old = [
                connection.execute(delete(conversations).where(conversations.c.updated_at < cutoff)).rowcount,
                connection.execute(delete(receipts).where(receipts.c.kept_at < cutoff)).rowcount,
                connection.execute(delete(feedback).where(feedback.c.kept_at < cutoff)).rowcount,
            ]
            if any(old):
                unused = and_(
                    citations.c.answer_id.not_in(select(receipts.c.answer_id)),
                    citations.c.answer_id.not_in(select(turns.c.answer_id)),
                )
                connection.execute(delete(citations).where(unused))

"""Cached texts and claims: one table of keys that expire."""

from collections.abc import Collection

from sqlalchemy import delete, select

from llm_engineering.infrastructure.state.keeping import document_marks, microseconds
from llm_engineering.infrastructure.state.sql_tables import entries, entry_documents
from llm_engineering.infrastructure.state.sql_transactions import Part
from llm_engineering.infrastructure.state.sql_upserts import put, put_if_new
from llm_engineering.infrastructure.state.writing import hashed
from llm_engineering.infrastructure.warehouse.database import execute_many


class Entries(Part):
    """Keys with a text, and keys that somebody has claimed. Both expire by the database's clock."""

    def cached(self, key: str) -> str | None:
        query = select(entries.c.value, entries.c.expires_at).where(entries.c.key == hashed(key))
        with self._database.reading() as connection:
            row = connection.execute(query).first()
            if row is None or row.expires_at <= self._now(connection):
                return None
            return None if row.value is None else str(row.value)

    def cache(self, key: str, value: str, seconds: float, documents: Collection[str] = ()) -> None:
        self._keeping.check_text("the text to be cached", value)
        lasting, marks, name = microseconds("a cached text", seconds), document_marks(documents), hashed(key)
        self._prune()
        with self._writing(answers=True) as connection:
            if self._is_forgotten(connection, marks):
                connection.execute(delete(entries).where(entries.c.key == name))
                return
            row = {"key": name, "value": value, "expires_at": self._now(connection) + lasting}
            connection.execute(put(entries), row)
            connection.execute(delete(entry_documents).where(entry_documents.c.key == name))
            quoted = [{"mark": mark, "key": name} for mark in sorted(marks)]
            execute_many(connection, put_if_new(entry_documents), quoted)

    def claim(self, key: str, seconds: float) -> bool:
        lasting, name = microseconds("a claim", seconds), hashed(key)
        self._prune()
        with self._writing() as connection:
            now = self._now(connection)
            row = {"value": None, "expires_at": now + lasting}
            claim = self._database.insert(entries).values(key=name, **row)
            # One statement: the database lets one caller after the other see whether the key is free.
            free = entries.c.expires_at <= now
            claim = claim.on_conflict_do_update(index_elements=[entries.c.key], set_=row, where=free)
            won = connection.execute(claim.returning(entries.c.key)).first() is not None
            if won:
                connection.execute(delete(entry_documents).where(entry_documents.c.key == name))
            return won

    def release(self, key: str) -> None:
        with self._writing() as connection:
            connection.execute(delete(entries).where(entries.c.key == hashed(key)))

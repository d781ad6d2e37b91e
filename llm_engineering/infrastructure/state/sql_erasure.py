"""Removal of everything that quotes a document."""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, delete, func, select, update

from llm_engineering.domain.answers import Turn
from llm_engineering.infrastructure.state.keeping import answer_mark, document_marks, is_titled_by
from llm_engineering.infrastructure.state.sql_tables import (
    citations,
    conversations,
    entries,
    entry_documents,
    feedback,
    metadata,
    receipts,
    turns,
)
from llm_engineering.infrastructure.state.sql_transactions import Part
from llm_engineering.infrastructure.state.writing import from_text
from llm_engineering.infrastructure.warehouse.paging import in_groups


class Erasure(Part):
    """What quotes a document goes, with everything that belongs to the same answer, and does not come back."""

    def quoting(self, document_ids: Collection[str]) -> Sequence[str]:
        found: list[str] = []
        with self._database.reading() as connection:
            now = self._now(connection)
            answers, keys = _quoting(connection, document_marks(document_ids))
            for group in in_groups(sorted(keys)):
                live = select(entries.c.key).where(entries.c.key.in_(group), entries.c.expires_at > now)
                found += [f"cached {row.key[:16]}" for row in connection.execute(live)]
            for group in in_groups(sorted(answers)):
                kept = select(receipts.c.answer_id).where(receipts.c.answer_id.in_(group))
                said = select(turns.c.conversation_id, turns.c.answer_id).where(turns.c.answer_id.in_(group))
                found += [f"receipt {row.answer_id}" for row in connection.execute(kept)]
                found += [f"turn {row.conversation_id}/{row.answer_id}" for row in connection.execute(said)]
        return sorted(found)

    def forget_documents(self, document_ids: Collection[str]) -> int:
        marks = document_marks(document_ids)
        removed = 0
        with self._erasing() as connection:
            connection.execute(delete(entries).where(entries.c.expires_at <= self._now(connection)))
            answers, keys = _quoting(connection, marks)
            self._remember_forgotten(connection, marks | {answer_mark(answer) for answer in answers})
            for group in in_groups(sorted(keys)):
                removed += connection.execute(delete(entries).where(entries.c.key.in_(group))).rowcount
            for group in in_groups(sorted(answers)):
                removed += _remove_answers(connection, group)
        return removed

    def compact(self) -> None:
        self._database.compact([table.name for table in metadata.sorted_tables])


def _quoting(connection: Connection, marks: Collection[str]) -> tuple[set[str], set[str]]:
    """Return the ids of the answers and the keys of the cached texts that quote marked documents."""
    answers: set[str] = set()
    keys: set[str] = set()
    for group in in_groups(sorted(marks)):
        cited = select(citations.c.answer_id).where(citations.c.mark.in_(group))
        answers |= set(connection.execute(cited).scalars())
        quoted = select(entry_documents.c.key).where(entry_documents.c.mark.in_(group))
        keys |= set(connection.execute(quoted).scalars())
    return answers, keys


def _remove_answers(connection: Connection, answers: Sequence[str]) -> int:
    """Remove receipts, turns, feedback and citations of answers; return how many receipts and turns there were."""
    of_these = turns.c.answer_id.in_(answers)
    asked: dict[str, list[str]] = {}
    for row in connection.execute(select(turns.c.conversation_id, turns.c.content).where(of_these)):
        asked.setdefault(row.conversation_id, []).append(from_text(Turn, row.content).question)
    removed = connection.execute(delete(receipts).where(receipts.c.answer_id.in_(answers))).rowcount
    removed += connection.execute(delete(turns).where(of_these)).rowcount
    connection.execute(delete(feedback).where(feedback.c.answer_id.in_(answers)))
    connection.execute(delete(citations).where(citations.c.answer_id.in_(answers)))
    left = select(func.count()).where(turns.c.conversation_id == conversations.c.id).scalar_subquery()
    for group in in_groups(sorted(asked)):
        these = conversations.c.id.in_(group)
        connection.execute(update(conversations).where(these).values(turns=left))
        titles = connection.execute(select(conversations.c.id, conversations.c.title).where(these))
        untitled = [row.id for row in titles if is_titled_by(row.title, asked[row.id])]
        connection.execute(update(conversations).where(conversations.c.id.in_(untitled)).values(title=""))
    return removed

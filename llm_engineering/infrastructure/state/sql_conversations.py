"""Conversations and their turns."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update

from llm_engineering.domain.answers import Conversation, Turn
from llm_engineering.infrastructure.state.keeping import (
    check_short,
    document_marks,
    is_conversation_id,
    marks_of_turn,
    no_such_conversation,
    title_of,
)
from llm_engineering.infrastructure.state.sql_tables import conversations, turns
from llm_engineering.infrastructure.state.sql_transactions import Part
from llm_engineering.infrastructure.state.writing import from_text, iso, to_text


class Conversations(Part):
    """Conversations. Turns are numbered under a lock of their conversation, so they stand in the order of the calls."""

    def create_conversation(self, owner: str, title: str = "") -> Conversation:
        check_short("owner", owner)
        check_short("title", title)
        self._prune()
        with self._writing() as connection:
            now = self._later_than_all(connection, owner)
            mine = select(func.count()).where(*self._alive(now, owner))
            if connection.execute(mine).scalar_one() >= self._keeping.max_conversations:
                raise self._keeping.too_many_conversations()
            times = {"created_at": now, "updated_at": now}
            row = {"id": str(uuid4()), "owner": owner, "title": title, **times, "last_turn": 0, "turns": 0}
            connection.execute(insert(conversations), row)
        return Conversation(id=str(row["id"]), owner=owner, title=title, created_at=iso(now), updated_at=iso(now))

    def conversation(self, owner: str, conversation_id: str) -> Conversation | None:
        if not is_conversation_id(conversation_id):
            return None
        with self._database.reading() as connection:
            alive = self._alive(self._now(connection), owner)
            query = select(conversations).where(conversations.c.id == conversation_id, *alive)
            row = connection.execute(query).first()
            if row is None:
                return None
            said = select(turns.c.content).where(turns.c.conversation_id == row.id).order_by(turns.c.number)
            contents = connection.execute(said).scalars().all()
        return _conversation(row, tuple(from_text(Turn, content) for content in contents))

    def conversations(self, owner: str, limit: int = 100) -> Sequence[Conversation]:
        with self._database.reading() as connection:
            query = select(conversations).where(*self._alive(self._now(connection), owner))
            latest = query.order_by(conversations.c.updated_at.desc(), conversations.c.id).limit(max(limit, 0))
            rows = connection.execute(latest).all()
        return [_conversation(row) for row in rows]

    def add_turn(self, owner: str, conversation_id: str, turn: Turn, documents: Collection[str] = ()) -> None:
        check_short("answer id", turn.answer_id)
        self._keeping.check_text("the turn", turn.question, turn.answer, turn.at)
        if not is_conversation_id(conversation_id):
            raise no_such_conversation(conversation_id)
        with self._writing(answers=True) as connection:
            now = self._later_than_all(connection, owner)
            query = select(conversations).where(conversations.c.id == conversation_id, *self._alive(now, owner))
            row = connection.execute(query.with_for_update()).first()
            if row is None:
                raise no_such_conversation(conversation_id)
            if row.turns >= self._keeping.max_turns:
                raise self._keeping.too_many_turns(conversation_id)
            if self._is_forgotten(connection, marks_of_turn(turn, documents)):
                return
            answer_id = turn.answer_id or f"none {uuid4()}"  # no two turns belong together that name no answer
            self._append(connection, row, turn, answer_id, now)
            self._cite(connection, answer_id, document_marks(documents))

    def delete_conversation(self, owner: str, conversation_id: str) -> bool:
        if not is_conversation_id(conversation_id):
            return False
        with self._writing() as connection:
            alive = self._alive(self._now(connection), owner)
            gone = delete(conversations).where(conversations.c.id == conversation_id, *alive)
            return connection.execute(gone).rowcount > 0

    def _append(self, connection: Connection, row: Row[Any], turn: Turn, answer_id: str, now: int) -> None:
        number = row.last_turn + 1
        content = {"conversation_id": row.id, "number": number, "answer_id": answer_id, "content": to_text(turn)}
        connection.execute(insert(turns), content)
        changed = {
            "title": row.title or title_of(turn.question),
            "updated_at": now,
            "last_turn": number,
            "turns": row.turns + 1,
        }
        connection.execute(update(conversations).where(conversations.c.id == row.id), changed)

    def _later_than_all(self, connection: Connection, owner: str) -> int:
        """Return the time, but later than that of the owner's last conversation: the last used one stands first."""
        last = select(func.max(conversations.c.updated_at)).where(conversations.c.owner == owner)
        return max(self._now(connection), (connection.execute(last).scalar() or 0) + 1)

    def _alive(self, now: int, owner: str) -> tuple[ColumnElement[bool], ...]:
        return conversations.c.owner == owner, conversations.c.updated_at >= self._keeping.cutoff(now)


def _conversation(row: Row[Any], said: tuple[Turn, ...] = ()) -> Conversation:
    return Conversation(
        id=row.id,
        owner=row.owner,
        title=row.title,
        created_at=iso(row.created_at),
        updated_at=iso(row.updated_at),
        turns=said,
    )

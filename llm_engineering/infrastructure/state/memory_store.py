"""The port `AssistantState` over dictionaries under one lock."""

import time
from collections.abc import Collection, Sequence
from threading import Lock
from uuid import uuid4

from llm_engineering.domain.answers import Conversation, Feedback, Receipt, Turn
from llm_engineering.infrastructure.state.keeping import (
    Keeping,
    answer_mark,
    check_short,
    document_marks,
    documents_of,
    is_titled_by,
    marks_of_turn,
    microseconds,
    no_such_conversation,
    title_of,
)
from llm_engineering.infrastructure.state.memory import MemoryState
from llm_engineering.infrastructure.state.memory_items import Entry, Marks, Talk, bound, drop_before
from llm_engineering.infrastructure.state.writing import hashed, to_text


class MemoryAssistantState:
    """Dictionaries in the order in which things were last used, so that the oldest stand first."""

    def __init__(self, spec: MemoryState) -> None:
        self._keeping: Keeping = spec
        self._most = spec.max_items
        self._lock = Lock()
        self._time = 0
        self._talks: dict[str, Talk] = {}
        self._entries: dict[str, Entry] = {}
        self._receipts: dict[tuple[str, str], tuple[Receipt, Marks, int]] = {}
        self._feedback: dict[tuple[str, str], tuple[Feedback, int]] = {}
        self._forgotten: set[str] = set()

    def create_conversation(self, owner: str, title: str = "") -> Conversation:
        check_short("owner", owner)
        check_short("title", title)
        with self._lock:
            now = self._now()
            self._prune(now)
            if sum(talk.owner == owner for talk in self._talks.values()) >= self._keeping.max_conversations:
                raise self._keeping.too_many_conversations()
            talk = Talk(str(uuid4()), owner, title, now, now)
            self._talks[talk.id] = talk
            bound(self._talks, self._most)
            return talk.conversation(whole=True)

    def conversation(self, owner: str, conversation_id: str) -> Conversation | None:
        with self._lock:
            talk = self._talk(owner, conversation_id)
            return talk.conversation(whole=True) if talk else None

    def conversations(self, owner: str, limit: int = 100) -> Sequence[Conversation]:
        with self._lock:
            self._prune(self._now())
            mine = [talk for talk in reversed(self._talks.values()) if talk.owner == owner]
            return [talk.conversation(whole=False) for talk in mine[: max(limit, 0)]]

    def add_turn(self, owner: str, conversation_id: str, turn: Turn, documents: Collection[str] = ()) -> None:
        check_short("answer id", turn.answer_id)
        self._keeping.check_text("the turn", turn.question, turn.answer, turn.at)
        marks = marks_of_turn(turn, documents)
        with self._lock:
            talk = self._talk(owner, conversation_id)
            if talk is None:
                raise no_such_conversation(conversation_id)
            if len(talk.turns) >= self._keeping.max_turns:
                raise self._keeping.too_many_turns(conversation_id)
            if marks & self._forgotten:
                return
            talk.turns.append((turn, marks))
            talk.title = talk.title or title_of(turn.question)
            talk.updated = self._now()
            self._talks[talk.id] = self._talks.pop(talk.id)

    def delete_conversation(self, owner: str, conversation_id: str) -> bool:
        with self._lock:
            found = self._talk(owner, conversation_id) is not None
            if found:
                del self._talks[conversation_id]
            return found

    def cached(self, key: str) -> str | None:
        with self._lock:
            entry = self._entries.get(hashed(key))
            return entry.value if entry and entry.until > self._now() else None

    def cache(self, key: str, value: str, seconds: float, documents: Collection[str] = ()) -> None:
        self._keeping.check_text("the text to be cached", value)
        lasting, marks = microseconds("a cached text", seconds), document_marks(documents)
        with self._lock:
            self._entries.pop(hashed(key), None)
            if not marks & self._forgotten:
                self._put(key, Entry(value, self._now() + lasting, marks))

    def claim(self, key: str, seconds: float) -> bool:
        lasting = microseconds("a claim", seconds)
        with self._lock:
            entry, now = self._entries.get(hashed(key)), self._now()
            if entry and entry.until > now:
                return False
            self._put(key, Entry(None, now + lasting, frozenset()))
            return True

    def release(self, key: str) -> None:
        with self._lock:
            self._entries.pop(hashed(key), None)

    def keep_receipt(self, owner: str, receipt: Receipt, documents: Collection[str] = ()) -> None:
        check_short("owner", owner)
        check_short("answer id", receipt.answer.id, least=1)
        self._keeping.check_text("the receipt", to_text(receipt))
        answer = answer_mark(receipt.answer.id)
        marks = document_marks(documents_of(receipt, documents)) | {answer}
        with self._lock:
            now = self._now()
            self._prune(now)
            if marks & self._forgotten:
                self._forgotten.add(answer)
                return
            self._receipts.pop((receipt.answer.id, owner), None)
            self._receipts[receipt.answer.id, owner] = (receipt, marks, now)
            bound(self._receipts, self._most)

    def receipt(self, owner: str | None, answer_id: str) -> Receipt | None:
        with self._lock:
            self._prune(self._now())
            if owner is None:
                whose = (whose for found, whose in self._receipts if found == answer_id)
                owner = next(whose, "")
            kept = self._receipts.get((answer_id, owner))
            return kept[0] if kept else None

    def add_feedback(self, feedback: Feedback) -> None:
        check_short("owner", feedback.owner)
        check_short("answer id", feedback.answer_id, least=1)
        with self._lock:
            if answer_mark(feedback.answer_id) not in self._forgotten:
                self._feedback.pop((feedback.answer_id, feedback.owner), None)
                self._feedback[feedback.answer_id, feedback.owner] = (feedback, self._now())
                bound(self._feedback, self._most)

    def feedback(self, answer_id: str) -> Sequence[Feedback]:
        with self._lock:
            self._prune(self._now())
            return [feedback for (found, _), (feedback, _) in self._feedback.items() if found == answer_id]

    def quoting(self, document_ids: Collection[str]) -> Sequence[str]:
        with self._lock:
            return sorted(self._quoting(document_marks(document_ids))[0])

    def forget_documents(self, document_ids: Collection[str]) -> int:
        with self._lock:
            found, marks = self._quoting(document_marks(document_ids))
            self._forgotten |= marks
            self._receipts = {key: kept for key, kept in self._receipts.items() if not kept[1] & marks}
            self._entries = {key: entry for key, entry in self._entries.items() if not entry.marks & marks}
            self._feedback = {key: kept for key, kept in self._feedback.items() if answer_mark(key[0]) not in marks}
            for talk in self._talks.values():
                if is_titled_by(talk.title, (turn.question for turn, has in talk.turns if has & marks)):
                    talk.title = ""
                talk.turns = [(turn, has) for turn, has in talk.turns if not has & marks]
            return len(found)

    def compact(self) -> None:
        """Do nothing: there are no files."""

    def ping(self) -> None:
        """Do nothing: memory can be reached."""

    def close(self) -> None:
        """Do nothing: it lives as long as this object."""

    def _quoting(self, marks: Marks) -> tuple[list[str], Marks]:
        """Return the names of what quotes marked documents, and the marks with those of their answers."""
        now = self._now()
        self._prune(now)
        self._entries = {key: entry for key, entry in self._entries.items() if entry.until > now}
        turns = [(talk.id, turn, has) for talk in self._talks.values() for turn, has in talk.turns]
        answers = {answer_mark(key[0]) for key, (_, has, _) in self._receipts.items() if has & marks}
        answers |= {answer_mark(turn.answer_id) for _, turn, has in turns if turn.answer_id and has & marks}
        marks |= answers
        found = [f"receipt {key[0]}" for key, (_, has, _) in self._receipts.items() if has & marks]
        found += [f"turn {talk_id}/{turn.answer_id}" for talk_id, turn, has in turns if has & marks]
        found += [f"cached {key[:16]}" for key, entry in self._entries.items() if entry.marks & marks]
        return found, marks

    def _talk(self, owner: str, conversation_id: str) -> Talk | None:
        self._prune(self._now())
        talk = self._talks.get(conversation_id)
        return talk if talk and talk.owner == owner else None

    def _put(self, key: str, entry: Entry) -> None:
        self._entries.pop(hashed(key), None)
        self._entries[hashed(key)] = entry
        if len(self._entries) > self._most:
            # A claim is never given away before its time.
            now = self._now()
            gone = (old for old, found in self._entries.items() if found.value is not None or found.until <= now)
            if (oldest := next(gone, None)) is not None:
                del self._entries[oldest]

    def _prune(self, now: int) -> None:
        cutoff = self._keeping.cutoff(now)
        for talk in list(self._talks.values()):
            if talk.updated >= cutoff:
                break
            del self._talks[talk.id]
        drop_before(self._receipts, cutoff)
        drop_before(self._feedback, cutoff)

    def _now(self) -> int:
        """Return the time in microseconds, later than ever before."""
        self._time = max(time.time_ns() // 1_000, self._time + 1)
        return self._time

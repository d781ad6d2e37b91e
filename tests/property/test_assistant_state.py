"""Whatever is called in whatever order, the stores of the assistant's state do what a few dictionaries would do."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from llm_engineering.domain.answers import Answer, Feedback, Receipt, Turn
from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.state import MemoryState, SqlState, StateSpec

LIMITS: dict[str, Any] = {"max_conversations": 3, "max_turns": 4, "max_characters": 600}

owners = st.sampled_from(["ada", "bob", "Ada", "", "\ud800"])
documents = st.frozensets(st.sampled_from(["whale", "cod", "\x00"]), max_size=2)
answers = st.sampled_from(["a", "b", "c", "d", "\x1a"])
# What each answer quotes; no two answers have the same id.
QUOTED = {
    "a": frozenset({"whale"}),
    "b": frozenset({"cod"}),
    "c": frozenset[str](),
    "d": frozenset({"whale", "\x00"}),
    "\x1a": frozenset({"cod"}),
}
keys = st.sampled_from(["k", "l", "", "\ud83d\ude00"])
# Like a user's texts, surrogates included; now and then too long.
texts = st.one_of(st.text(st.characters(), max_size=20), st.just("long " * 200))


class Stores(RuleBasedStateMachine):
    """A store beside a model of it."""

    spec: StateSpec
    conversations = Bundle("conversations")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="state-")
        self.state = self.spec.open(Path(self.folder.name))
        # conversation → owner, title, turns with their documents; the last used one stands last
        self.talks: dict[str, tuple[str, str, list[tuple[Turn, frozenset[str]]]]] = {}
        self.entries: dict[str, tuple[str | None, frozenset[str]]] = {}
        self.receipts: dict[tuple[str, str], tuple[Receipt, frozenset[str]]] = {}
        self.thoughts: dict[tuple[str, str], Feedback] = {}
        self.gone: set[str] = set()  # documents
        self.gone_answers: set[str] = set()

    def teardown(self) -> None:
        self.state.close()
        self.folder.cleanup()

    @initialize(target=conversations)
    def nobodys(self) -> str:
        return "00000000-0000-0000-0000-000000000000"

    @rule(target=conversations, owner=owners, title=st.sampled_from(["", "Whales", "\x00"]))
    def create(self, owner: str, title: str) -> str:
        full = sum(mine[0] == owner for mine in self.talks.values()) >= LIMITS["max_conversations"]
        try:
            made = self.state.create_conversation(owner, title)
        except UsageError:
            assert full
            return "none"
        assert not full
        self.talks[made.id] = (owner, title, [])
        return made.id

    @rule(owner=owners, name=conversations, question=texts, answer_id=answers)
    def add_turn(self, owner: str, name: str, question: str, answer_id: str) -> None:
        quoted = QUOTED[answer_id]
        turn = Turn(question=question, answer_id=answer_id, answer="A.", at="")
        talk = self.talks.get(name)
        refused = talk is None or talk[0] != owner or len(talk[2]) >= LIMITS["max_turns"] or len(question) > 598
        try:
            self.state.add_turn(owner, name, turn, quoted)
        except UsageError:
            assert refused
            return
        assert not refused
        assert talk is not None
        if not (quoted & self.gone or answer_id in self.gone_answers):
            del self.talks[name]
            self.talks[name] = (owner, talk[1] or question, [*talk[2], (turn, quoted)])

    @rule(owner=owners, name=conversations)
    def delete(self, owner: str, name: str) -> None:
        there = name in self.talks and self.talks[name][0] == owner
        assert self.state.delete_conversation(owner, name) == there
        if there:
            del self.talks[name]

    @rule(key=keys, value=texts, quoted=documents)
    def cache(self, key: str, value: str, quoted: frozenset[str]) -> None:
        try:
            self.state.cache(key, value, 600, quoted)
        except UsageError:
            assert len(value) > LIMITS["max_characters"]
            return
        self.entries.pop(key, None)
        if not quoted & self.gone:
            self.entries[key] = (value, quoted)

    @rule(key=keys)
    def claim(self, key: str) -> None:
        assert self.state.claim(key, 600) == (key not in self.entries)
        self.entries.setdefault(key, (None, frozenset()))

    @rule(key=keys)
    def release(self, key: str) -> None:
        self.state.release(key)
        self.entries.pop(key, None)

    @rule(owner=owners, answer_id=answers, query=st.sampled_from(["q", "\ud800"]))
    def keep_receipt(self, owner: str, answer_id: str, query: str) -> None:
        quoted = QUOTED[answer_id]
        answer = Answer(id=answer_id, question="", text="", outcome="no_answer")
        receipt = Receipt(answer=answer, query=query)
        self.state.keep_receipt(owner, receipt, quoted)
        if quoted & self.gone or answer_id in self.gone_answers:
            self.gone_answers.add(answer_id)
            return
        self.receipts[answer_id, owner] = (receipt, quoted)

    @rule(owner=owners, answer_id=answers, rating=st.sampled_from(["up", "down"]))
    def add_feedback(self, owner: str, answer_id: str, rating: Any) -> None:
        if QUOTED[answer_id] & self.gone:  # whether the answer was ever there to be forgotten is not kept
            return
        given = Feedback(answer_id=answer_id, owner=owner, rating=rating)
        self.state.add_feedback(given)
        if answer_id not in self.gone_answers:
            self.thoughts[answer_id, owner] = given

    @rule(quoted=documents)
    def forget(self, quoted: frozenset[str]) -> None:
        expected = len(self.state.quoting(quoted))
        removed = self.state.forget_documents(quoted)
        self.gone |= quoted
        hit = {key[0] for key, (_, has) in self.receipts.items() if has & quoted}
        hit |= {turn.answer_id for talk in self.talks.values() for turn, has in talk[2] if has & quoted}
        self.gone_answers |= hit
        before = self._size()
        self.receipts = {key: kept for key, kept in self.receipts.items() if key[0] not in hit}
        self.thoughts = {key: kept for key, kept in self.thoughts.items() if key[0] not in hit}
        self.entries = {key: kept for key, kept in self.entries.items() if not kept[1] & quoted}
        self.talks = {
            name: (owner, title, [(turn, has) for turn, has in said if turn.answer_id not in hit])
            for name, (owner, title, said) in self.talks.items()
        }
        assert removed == before - self._size() == expected

    @invariant()
    def agrees(self) -> None:
        for owner in ("ada", "bob", "Ada", "", "\ud800"):
            mine = [name for name, talk in reversed(self.talks.items()) if talk[0] == owner]
            assert [found.id for found in self.state.conversations(owner)] == mine
            for name in self.talks:
                found = self.state.conversation(owner, name)
                assert (found is not None) == (name in mine)
                if found:
                    assert [*found.turns] == [turn for turn, _ in self.talks[name][2]]
                    assert found.title == _cut(self.talks[name][1])
            for answer_id in "abcd":
                kept = self.receipts.get((answer_id, owner))
                assert self.state.receipt(owner, answer_id) == (kept and kept[0])
        for key in ("k", "l", "", "\ud83d\ude00"):
            assert self.state.cached(key) == self.entries.get(key, (None,))[0]
        for answer_id in "abcd":
            thoughts = [given for key, given in self.thoughts.items() if key[0] == answer_id]
            assert sorted(self.state.feedback(answer_id), key=repr) == sorted(thoughts, key=repr)

    def _size(self) -> int:
        return len(self.receipts) + len(self.entries) + sum(len(talk[2]) for talk in self.talks.values())


def _cut(title: str) -> str:
    return title if len(title) <= 200 else title[:199] + "…"


class Memory(Stores):
    spec = MemoryState(**LIMITS)


class Sqlite(Stores):
    spec = SqlState(**LIMITS)


# Explaining a failure takes minutes on a database; the steps are printed all the same.
SEARCH = (Phase.explicit, Phase.generate)
slow_is_fine = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
TestMemory = Memory.TestCase
TestMemory.settings = settings(
    max_examples=100, stateful_step_count=30, deadline=None, suppress_health_check=slow_is_fine
)
TestSqlite = Sqlite.TestCase
TestSqlite.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=slow_is_fine
)

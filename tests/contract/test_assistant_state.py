"""The contract of the port `AssistantState`: in memory, SQLite, PostgreSQL and Redis, the last two where installed."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from postgresql_server import new_database, postgresql_server
from redis_server import RedisServer, redis_server

from llm_engineering.domain.access import Access
from llm_engineering.domain.answers import Answer, Citation, Feedback, Receipt, Turn, Versions
from llm_engineering.domain.conditions import In
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.llms import Usage
from llm_engineering.domain.ports.answers import AssistantState
from llm_engineering.infrastructure.state import MemoryState, RedisState, SqlState, StateSpec

ROOT = Path(__file__).parents[2]
ODD_TEXTS = [
    "",
    "naïve 北京 🦀 \u202e",
    "a\x00b",
    "\ud800 lone",
    "\ud83d\ude00",  # two lone surrogates, which are not the emoji
    "\x1a0041",
    "'; DROP TABLE users; --",
    "%s ? :x {} \\u0000",
    "two\nlines",
    "claimed",
]
_numbers = count()

Opener = Callable[..., AssistantState]


def turn(number: int = 0, answer_id: str = "", **changes: Any) -> Turn:
    fields = {"question": f"Question {number}?", "answer_id": answer_id or f"answer-{number}", "answer": f"{number}."}
    return Turn(**{**fields, "at": "2026-01-01T00:00:00+00:00", **changes})


def receipt(answer_id: str = "answer-0", *documents: str, **changes: Any) -> Receipt:
    citations = tuple(
        Citation(
            number=number,
            quote=f"quote of {document}",
            verdict="found",
            document_id=document,
            chunk_id=f"{document}-1",
            uri=f"file:///{document}.md",
            title=document,
            source="docs",
            start=0,
            end=9,
        )
        for number, document in enumerate(documents, 1)
    )
    answer = Answer(id=answer_id, question="Q?", text="T [1].", outcome="answered", citations=citations)
    return Receipt(**{"answer": answer, **changes})


def feedback(answer_id: str = "answer-0", owner: str = "ada", **changes: Any) -> Feedback:
    return Feedback(**{"answer_id": answer_id, "owner": owner, "rating": "up", **changes})


def numbers(state: AssistantState, owner: str, conversation_id: str) -> list[int]:
    found = state.conversation(owner, conversation_id)
    assert found is not None
    return [int(said.answer.rstrip(".")) for said in found.turns]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    with postgresql_server() as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


def spec_of(kind: str, request: pytest.FixtureRequest, folder: Path, **limits: Any) -> StateSpec:
    if kind == "memory":
        return MemoryState(**limits)
    if kind == "sqlite":
        return SqlState(url=f"sqlite:///{folder / 'state.db'}", **{"busy_seconds": 60, **limits})
    if kind == "postgresql":
        return SqlState(url=new_database(request.getfixturevalue("postgresql")), **{"busy_seconds": 60, **limits})
    server: RedisServer = request.getfixturevalue("redis")
    return RedisState(url=server.url, prefix=f"te*[s]t{next(_numbers)}:", **limits)


@pytest.fixture(params=["memory", "sqlite", "postgresql", "redis"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Return what opens a new, empty store with the limits that a test wants."""
    opened: list[AssistantState] = []

    def open_state(**limits: Any) -> AssistantState:
        folder = tmp_path / f"state-{len(opened)}"
        folder.mkdir()
        opened.append(spec_of(request.param, request, folder, **limits).open(folder))
        return opened[-1]

    yield open_state
    for state in opened:
        state.close()


@pytest.fixture
def state(opener: Opener) -> AssistantState:
    return opener()


@pytest.fixture(params=["sqlite", "postgresql", "redis"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> StateSpec:
    """Return the address of an empty store that several processes can open."""
    return spec_of(request.param, request, tmp_path)


@contextmanager
def opened(spec: StateSpec) -> Iterator[AssistantState]:
    with closing(spec.open(Path())) as state:
        yield state


# Conversations


def test_a_conversation_has_an_id_that_nobody_guesses_and_its_times(state: AssistantState) -> None:
    made = state.create_conversation("ada", "Whales")
    assert UUID(made.id).version == 4
    assert (made.owner, made.title, made.turns) == ("ada", "Whales", ())
    assert made.created_at == made.updated_at
    assert made.created_at.endswith("+00:00")
    assert state.conversation("ada", made.id) == made
    assert state.create_conversation("ada", "Whales").id != made.id


def test_turns_stand_in_the_order_of_the_calls(state: AssistantState) -> None:
    made = state.create_conversation("ada", "Whales")
    for number in range(5):
        state.add_turn("ada", made.id, turn(number))
    found = state.conversation("ada", made.id)
    assert found is not None
    assert found.turns == tuple(turn(number) for number in range(5))
    assert (found.title, found.created_at) == ("Whales", made.created_at)
    assert found.updated_at > made.updated_at


def test_an_empty_title_becomes_the_first_question_cut_where_it_is_long(state: AssistantState) -> None:
    short, long = state.create_conversation("ada"), state.create_conversation("ada")
    for number in range(2):
        state.add_turn("ada", short.id, turn(number))
    state.add_turn("ada", long.id, turn(question="why " * 1_000))
    titles = [found.title for found in state.conversations("ada")]
    assert titles[1] == "Question 0?"
    assert titles[0].startswith("why why")
    assert len(titles[0]) == 200


def test_the_last_used_conversation_stands_first_and_lists_have_no_turns(state: AssistantState) -> None:
    made = [state.create_conversation("ada", f"{number}").id for number in range(4)]
    state.add_turn("ada", made[1], turn())
    found = state.conversations("ada")
    assert [conversation.id for conversation in found] == [made[1], made[3], made[2], made[0]]
    assert [conversation.turns for conversation in found] == [()] * 4
    assert [conversation.id for conversation in state.conversations("ada", limit=2)] == [made[1], made[3]]
    assert list(state.conversations("ada", limit=0)) == []
    assert list(state.conversations("nobody")) == []


def test_somebody_elses_conversation_is_not_there(state: AssistantState) -> None:
    made = state.create_conversation("ada", "Whales")
    state.add_turn("ada", made.id, turn())
    assert state.conversation("bob", made.id) is None
    assert list(state.conversations("bob")) == []
    assert not state.delete_conversation("bob", made.id)
    with pytest.raises(UsageError, match="there is no conversation"):
        state.add_turn("bob", made.id, turn(1))
    for owner in ("Ada", "ada ", "ad", "ada\x00", ""):
        assert state.conversation(owner, made.id) is None
    assert numbers(state, "ada", made.id) == [0]


@pytest.mark.parametrize("name", ["", "unknown", "\x00", "\ud800", "a" * 10_000, "*", "%", str(UUID(int=0))])
def test_an_id_that_is_none_is_not_there(state: AssistantState, name: str) -> None:
    assert state.conversation("ada", name) is None
    assert not state.delete_conversation("ada", name)
    with pytest.raises(UsageError, match="there is no conversation"):
        state.add_turn("ada", name, turn())
    assert state.receipt("ada", name) is None
    assert state.receipt(None, name) is None
    assert list(state.feedback(name)) == []
    assert state.cached(name) is None


def test_a_deleted_conversation_is_gone(state: AssistantState) -> None:
    made, other = state.create_conversation("ada"), state.create_conversation("ada")
    state.add_turn("ada", made.id, turn())
    assert state.delete_conversation("ada", made.id)
    assert not state.delete_conversation("ada", made.id)
    assert state.conversation("ada", made.id) is None
    assert [found.id for found in state.conversations("ada")] == [other.id]


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_any_string_comes_back_unchanged(state: AssistantState, text: str) -> None:
    made = state.create_conversation(text, text)
    said = turn(question=text, answer=text, answer_id=text, at=text)
    state.add_turn(text, made.id, said, [text])
    found = state.conversation(text, made.id)
    assert found is not None
    assert (found.owner, found.title, found.turns) == (text, text, (said,))
    state.cache(text, text, 60, [text])
    assert state.cached(text) == text
    assert not state.claim(text, 60)
    kept = receipt(f"id{text}", query=text, retrieval={"of": text}, vectors={text: "AAAA"})
    state.keep_receipt(text, kept)
    assert state.receipt(text, f"id{text}") == kept
    thought = feedback(f"id{text}", text, at=text)
    state.add_feedback(thought)
    assert list(state.feedback(f"id{text}")) == [thought]


# Limits


def test_an_owner_has_so_many_conversations_at_most(opener: Opener) -> None:
    state = opener(max_conversations=2)
    made = [state.create_conversation("ada") for _ in range(2)]
    with pytest.raises(UsageError, match="2 conversations already"):
        state.create_conversation("ada")
    state.create_conversation("bob")
    state.delete_conversation("ada", made[0].id)
    state.create_conversation("ada")


def test_a_conversation_has_so_many_turns_at_most(opener: Opener) -> None:
    state = opener(max_turns=2)
    made = state.create_conversation("ada")
    for number in range(2):
        state.add_turn("ada", made.id, turn(number))
    with pytest.raises(UsageError, match="has 2 turns"):
        state.add_turn("ada", made.id, turn(2))
    assert numbers(state, "ada", made.id) == [0, 1]


def test_texts_have_so_many_characters_at_most(opener: Opener) -> None:
    state = opener(max_characters=1_000)
    made = state.create_conversation("ada")
    with pytest.raises(UsageError, match=r"the turn has 1,\d\d\d characters, and at most 1,000"):
        state.add_turn("ada", made.id, turn(answer="a" * 1_000))
    with pytest.raises(UsageError, match="at most 1,000"):
        state.cache("key", "a" * 1_001, 60)
    with pytest.raises(UsageError, match="at most 1,000"):
        state.keep_receipt("ada", receipt(query="a" * 1_000))
    assert (numbers(state, "ada", made.id), state.cached("key"), state.receipt("ada", "answer-0")) == ([], None, None)


def test_names_have_so_many_characters_at_most(state: AssistantState) -> None:
    made = state.create_conversation("\ud800" * 400, "🦀" * 500)
    assert state.conversation("\ud800" * 400, made.id) == made
    with pytest.raises(UsageError, match="the owner has 401 characters"):
        state.create_conversation("a" * 401)
    with pytest.raises(UsageError, match="the title has 501 characters"):
        state.create_conversation("ada", "a" * 501)
    with pytest.raises(UsageError, match="the answer id has 201 characters"):
        state.add_feedback(feedback("a" * 201))
    with pytest.raises(UsageError, match="the answer id is empty"):
        state.keep_receipt("ada", receipt(""))


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan"), 1e12])
def test_a_time_to_live_that_is_none_is_refused(state: AssistantState, seconds: float) -> None:
    with pytest.raises(UsageError, match="a cached text is to be kept for"):
        state.cache("key", "value", seconds)
    with pytest.raises(UsageError, match="a claim is to be kept for"):
        state.claim("key", seconds)


def test_what_was_not_used_for_long_goes(opener: Opener) -> None:
    state = opener(keep_days=1.5 / 86_400)
    made = state.create_conversation("ada")
    state.add_turn("ada", made.id, turn())
    state.keep_receipt("ada", receipt())
    state.add_feedback(feedback())
    time.sleep(1.6)
    assert state.conversation("ada", made.id) is None
    assert list(state.conversations("ada")) == []
    assert state.receipt("ada", "answer-0") is None
    assert list(state.feedback("answer-0")) == []
    with pytest.raises(UsageError, match="there is no conversation"):
        state.add_turn("ada", made.id, turn(1))


def test_without_a_limit_of_days_everything_stays(opener: Opener) -> None:
    state = opener(keep_days=None)
    made = state.create_conversation("ada")
    state.add_turn("ada", made.id, turn())
    state.keep_receipt("ada", receipt())
    assert numbers(state, "ada", made.id) == [0]
    assert state.receipt("ada", "answer-0") == receipt()


# Cached texts and claims


def test_a_cached_text_is_there_until_it_expires_or_is_released(state: AssistantState) -> None:
    state.cache("short", "a", 0.5)
    state.cache("long", "b", 600)
    state.cache("long", "c", 600)
    assert (state.cached("long"), state.cached("other")) == ("c", None)
    time.sleep(0.6)
    assert (state.cached("short"), state.cached("long")) == (None, "c")
    state.release("long")
    state.release("never there")
    assert state.cached("long") is None


def test_a_claim_has_one_winner_until_it_expires_or_is_released(state: AssistantState) -> None:
    assert state.claim("key", 600)
    assert not state.claim("key", 600)
    assert state.cached("key") is None
    state.release("key")
    assert state.claim("key", 0.5)
    time.sleep(0.6)
    assert state.claim("key", 600)
    assert not state.claim("key", 600)


def test_a_text_takes_the_place_of_a_claim_and_is_one(state: AssistantState) -> None:
    assert state.claim("key", 600)
    state.cache("key", "answer", 0.5)
    assert state.cached("key") == "answer"
    assert not state.claim("key", 600)
    time.sleep(0.6)
    assert state.claim("key", 600)
    assert state.cached("key") is None


def test_keys_of_any_length_are_keys(state: AssistantState) -> None:
    state.cache("k" * 100_000, "long", 60)
    assert (state.cached("k" * 100_000), state.cached("k" * 99_999)) == ("long", None)


# Receipts and feedback


def test_a_receipt_comes_back_whole_to_its_owner(state: AssistantState) -> None:
    kept = receipt(
        "answer-0",
        "whales",
        access=Access(tenants=("ada",)),
        filter=In(field="metadata.course", values=("ml", 3, 2.5, True)),
        retrieval={"mode": "hybrid", "k": 5, "weights": [0.5, 0.5], "none": None},
        hits=(("chunk-1", 0.1 + 0.2), ("chunk-2", 1e-17)),
    )
    kept = kept.model_copy(
        update={
            "answer": kept.answer.model_copy(
                update={
                    "usage": Usage(calls=1, cost=0.25),
                    "versions": Versions(index="v3"),
                    "seconds": {"search": 0.01},
                }
            )
        }
    )
    state.keep_receipt("ada", kept)
    assert state.receipt("ada", "answer-0") == kept
    assert state.receipt(None, "answer-0") == kept
    assert state.receipt("bob", "answer-0") is None
    assert state.receipt("ada", "answer-1") is None


def test_a_receipt_is_replaced_by_its_owner_and_by_nobody_else(state: AssistantState) -> None:
    state.keep_receipt("ada", receipt(query="first"))
    state.keep_receipt("ada", receipt(query="second"))
    state.keep_receipt("bob", receipt(query="third"))
    found = state.receipt("ada", "answer-0"), state.receipt("bob", "answer-0")
    assert [kept.query for kept in found if kept] == ["second", "third"]


def test_feedback_is_replaced_by_the_same_owner(state: AssistantState) -> None:
    state.add_feedback(feedback(rating="up"))
    state.add_feedback(feedback(owner="bob", comment="Good."))
    state.add_feedback(feedback(rating="down", comment="Wrong page."))
    found = sorted(state.feedback("answer-0"), key=lambda given: given.owner)
    assert found == [feedback(rating="down", comment="Wrong page."), feedback(owner="bob", comment="Good.")]
    assert list(state.feedback("answer-1")) == []


# Erasure


def test_what_quotes_a_document_is_forgotten_with_all_that_belongs_to_the_answer(state: AssistantState) -> None:
    made = state.create_conversation("ada", "Whales")
    state.keep_receipt("ada", receipt("a", "whale", "cod"))
    state.keep_receipt("ada", receipt("b", "cod"))
    state.keep_receipt("ada", receipt("c"), ["whale"])  # made from it, and does not cite it
    state.add_turn("ada", made.id, turn(0, "a"))
    state.add_turn("ada", made.id, turn(1, "b"), ["cod"])
    state.add_turn("ada", made.id, turn(2, "d"), ["whale"])  # has no receipt
    state.add_feedback(feedback("a"))
    state.add_feedback(feedback("b"))
    state.cache("whale", "text", 600, ["cod", "whale"])
    state.cache("cod", "text", 600, ["cod"])
    state.cache("short", "text", 0.001, ["whale"])
    time.sleep(0.05)
    assert len(state.quoting(["whale", "unknown"])) == 5
    assert state.forget_documents(["whale", "unknown"]) == 5
    assert list(state.quoting(["whale"])) == []
    assert state.forget_documents(["whale"]) == 0
    assert [state.receipt(None, name) is None for name in "abc"] == [True, False, True]
    assert numbers(state, "ada", made.id) == [1]
    assert [len(state.feedback(name)) for name in "ab"] == [0, 1]
    assert (state.cached("whale"), state.cached("cod")) == (None, "text")
    state.compact()
    assert state.receipt("ada", "b") == receipt("b", "cod")


def test_a_title_goes_with_the_question_that_it_is_the_beginning_of(state: AssistantState) -> None:
    named, given = state.create_conversation("ada"), state.create_conversation("ada", "Animals")
    for made in (named, given):
        state.add_turn("ada", made.id, turn(0, question="Who is the whale " + "of them all? " * 40), ["whale"])
        state.add_turn("ada", made.id, turn(1, question="Who is the cod?"), ["cod"])
    state.forget_documents(["cod"])
    titles = {one.id: one.title for one in state.conversations("ada")}
    assert titles[named.id].startswith("Who is the whale")
    state.forget_documents(["whale"])
    assert {one.id: one.title for one in state.conversations("ada")} == {named.id: "", given.id: "Animals"}
    state.add_turn("ada", named.id, turn(2, question="And now?"))
    assert {one.id: one.title for one in state.conversations("ada")}[named.id] == "And now?"


def test_nothing_that_quotes_a_forgotten_document_is_kept_any_more(state: AssistantState) -> None:
    made = state.create_conversation("ada", "Whales")
    state.keep_receipt("ada", receipt("before", "whale"))
    state.cache("key", "harmless", 600)
    state.forget_documents(["whale"])
    state.keep_receipt("ada", receipt("late", "whale"))
    state.keep_receipt("ada", receipt("later"), ["whale"])
    for answer_id in ("before", "late", "later"):  # these belong to answers that were forgotten
        state.add_turn("ada", made.id, turn(0, answer_id))
        state.add_feedback(feedback(answer_id))
    state.add_turn("ada", made.id, turn(0, "other"), ["whale"])
    state.cache("key", "text", 600, ["whale"])
    assert [state.receipt(None, name) for name in ("before", "late", "later")] == [None] * 3
    assert [len(state.feedback(name)) for name in ("before", "late", "later")] == [0] * 3
    assert numbers(state, "ada", made.id) == []
    assert state.cached("key") is None
    with pytest.raises(UsageError, match="there is no conversation"):
        state.add_turn("bob", made.id, turn(0, "late"))


def test_a_turn_that_was_forgotten_makes_room(opener: Opener) -> None:
    state = opener(max_turns=3)
    made = state.create_conversation("ada")
    for number in range(3):
        state.add_turn("ada", made.id, turn(number), [f"document {number}"])
    state.forget_documents(["document 1"])
    state.add_turn("ada", made.id, turn(3))
    assert numbers(state, "ada", made.id) == [0, 2, 3]


def test_many_documents_are_forgotten_at_once(state: AssistantState) -> None:
    for number in range(20):
        state.keep_receipt("ada", receipt(f"{number}", f"document {number}"))
    assert state.forget_documents({f"document {number}" for number in range(1, 3_000)}) == 19
    assert state.receipt("ada", "0") is not None
    assert state.forget_documents([]) == 0


def test_turns_without_an_answers_id_do_not_belong_together(state: AssistantState) -> None:
    made = state.create_conversation("ada")
    for number, document in enumerate(["whale", "cod"]):
        state.add_turn("ada", made.id, turn(number).model_copy(update={"answer_id": ""}), [document])
    assert state.forget_documents(["whale"]) == 1
    assert numbers(state, "ada", made.id) == [1]


# Threads and processes


def test_eight_threads_lose_nothing(state: AssistantState) -> None:
    made = state.create_conversation("ada")

    def work(thread: int) -> int:
        for number in range(25):
            state.add_turn("ada", made.id, turn(thread * 100 + number))
            state.cache(f"{thread} {number}", f"{number}", 600)
            assert state.cached(f"{thread} {number}") == f"{number}"
        return sum(state.claim(f"claim {number}", 600) for number in range(25))

    with ThreadPoolExecutor(8) as pool:
        won = sum(pool.map(work, range(8)))
    assert won == 25
    found = numbers(state, "ada", made.id)
    assert sorted(found) == sorted(thread * 100 + number for thread in range(8) for number in range(25))
    for thread in range(8):
        assert [number for number in found if number // 100 == thread] == [thread * 100 + n for n in range(25)]


def test_an_erasure_among_writers_leaves_nothing(state: AssistantState) -> None:
    made = state.create_conversation("ada")

    def write(thread: int) -> None:
        for number in range(30):
            name = f"{thread}-{number}"
            state.cache(name, "text", 600, ["whale"])
            state.keep_receipt("ada", receipt(name, "whale"))
            state.add_turn("ada", made.id, turn(number, name))

    def forget(_: int) -> None:
        time.sleep(0.05)
        state.forget_documents(["whale"])

    with ThreadPoolExecutor(5) as pool:
        jobs = [*(pool.submit(write, thread) for thread in range(4)), pool.submit(forget, 0)]
        for job in jobs:
            job.result()
    assert list(state.quoting(["whale"])) == []
    assert numbers(state, "ada", made.id) == []
    assert [state.cached(f"{thread}-{number}") for thread in range(4) for number in range(30)] == [None] * 120
    assert [state.receipt(None, f"{thread}-{number}") for thread in range(4) for number in range(30)] == [None] * 120


# A process of its own: it takes the specification of the store, and says what it did.
CHILD = """
import sys, time
from pathlib import Path
from pydantic import TypeAdapter
from llm_engineering.domain.answers import Turn
from llm_engineering.infrastructure.state import StateSpec
spec, conversation, first, count = sys.argv[1:]
state = TypeAdapter(StateSpec).validate_json(spec).open(Path())
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(first), int(first) + int(count)):
    if conversation:
        turn = Turn(question="Q?", answer_id=str(number), answer=f"{number}.", at="")
        state.add_turn("ada", conversation, turn, ["d"] * (number % 2))
    else:
        print(int(state.claim(f"claim {number - int(first)}", 600)), end=" ")
    print(number, flush=True)
"""


class Child:
    """A process that writes to a store once it is told to begin."""

    def __init__(self, spec: StateSpec, conversation: str, first: int, count: int) -> None:
        command = [sys.executable, "-c", CHILD, spec.model_dump_json(), conversation, str(first), str(count)]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(command, cwd=ROOT, text=True, **pipes)

    def __enter__(self) -> "Child":
        assert self.process.stdout is not None
        ready = self.process.stdout.readline()
        assert ready == "ready\n", self.process.communicate()
        return self

    def __exit__(self, *failure: object) -> None:
        self.process.kill()
        self.process.communicate()

    def begin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def lines(self) -> list[str]:
        out, err = self.process.communicate(timeout=200)
        assert self.process.returncode == 0, err
        return out.splitlines()


@pytest.mark.slow
def test_two_processes_share_a_conversation(shared: StateSpec) -> None:
    with opened(shared) as state:
        made = state.create_conversation("ada")
        with Child(shared, made.id, 0, 60) as one, Child(shared, made.id, 100, 60) as other:
            one.begin()
            other.begin()
            one.lines()
            other.lines()
        found = numbers(state, "ada", made.id)
        assert [number for number in found if number < 100] == list(range(60))
        assert [number for number in found if number >= 100] == list(range(100, 160))
        assert len(found) == 120


@pytest.mark.slow
def test_of_two_processes_one_wins_each_claim(shared: StateSpec) -> None:
    with opened(shared), Child(shared, "", 0, 60) as one, Child(shared, "", 100, 60) as other:
        one.begin()
        other.begin()
        won = [[int(line.split()[0]) for line in child.lines()] for child in (one, other)]
    assert [sum(claim) for claim in zip(*won, strict=True)] == [1] * 60


@pytest.mark.slow
def test_a_killed_process_loses_no_turn_that_it_was_told_is_kept(shared: StateSpec) -> None:
    with opened(shared) as state:
        made = state.create_conversation("ada")
        for kill in range(3):
            with Child(shared, made.id, kill * 10_000, 300) as child:
                child.begin()
                assert child.process.stdout is not None
                for _ in range(10 + 7 * kill):
                    told = int(child.process.stdout.readline())
                child.process.kill()
                rest = child.process.stdout.read()
                told = max([told, *(int(line) for line in rest.split("\n")[:-1])])
            found = [number for number in numbers(state, "ada", made.id) if number // 10_000 == kill]
            assert found == list(range(kill * 10_000, kill * 10_000 + len(found)))
            assert len(found) - 1 + kill * 10_000 in (told, told + 1)
        state.add_turn("ada", made.id, turn(99_999))


@pytest.mark.slow
def test_processes_that_open_a_new_store_at_once_all_succeed(shared: StateSpec) -> None:
    code = """
import sys
from multiprocessing import get_context
from pathlib import Path
from pydantic import TypeAdapter
from llm_engineering.infrastructure.state import StateSpec
import llm_engineering.infrastructure.state.sql_store

def work(barrier, answers):
    barrier.wait()
    state = TypeAdapter(StateSpec).validate_json(sys.argv[1]).open(Path())
    answers.put(state.create_conversation("ada").id)
    state.close()

context = get_context("fork")
barrier, answers = context.Barrier(10), context.Queue()
processes = [context.Process(target=work, args=(barrier, answers)) for _ in range(10)]
for process in processes: process.start()
print(*[answers.get(timeout=100) for _ in processes])
for process in processes: process.join()
"""
    command = [sys.executable, "-c", code, shared.model_dump_json()]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, cwd=ROOT)
    assert ended.returncode == 0, ended.stderr
    with opened(shared) as state:
        assert {found.id for found in state.conversations("ada")} == set(ended.stdout.split())


def test_what_one_opening_wrote_the_next_one_reads(shared: StateSpec) -> None:
    with opened(shared) as state:
        made = state.create_conversation("ada", "Whales")
        state.add_turn("ada", made.id, turn())
        state.cache("key", "value", 600)
    with opened(shared) as state:
        assert numbers(state, "ada", made.id) == [0]
        assert state.cached("key") == "value"
        assert not state.claim("key", 600)


def test_closing_can_be_repeated_and_ping_says_that_it_is_there(state: AssistantState) -> None:
    state.ping()
    state.close()
    state.close()


# Servers that are away


@pytest.mark.parametrize(
    "spec",
    [
        SqlState(url="postgresql://nobody@127.0.0.1:1/none"),
        RedisState(url="redis://127.0.0.1:1/0"),
    ],
    ids=["postgresql", "redis"],
)
def test_a_server_that_is_away_is_a_failure_that_may_pass(spec: StateSpec) -> None:
    pytest.importorskip("psycopg" if spec.kind == "sql" else "redis")
    with pytest.raises(BackendError, match="check that") as caught:
        spec.open(Path())
    assert caught.value.transient

"""What a conversation shows of its former answers, and what is left of answers that never came."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from assistant_fakes import DOCUMENTS, FakeAssistant, FakeSearcher, FakeState
from fastapi.testclient import TestClient
from scripted_assistant import FewDocuments, ScriptedAssistant

from llm_engineering.config import Key, Serving
from llm_engineering.domain.answers import Turn
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.serving.app import create_app
from llm_engineering.serving.proofs import MOST_TURNS

SECRET = "a-key-that-nobody-guesses"


class World:
    """A service whose documents and keys can be changed between two requests, over one state."""

    def __init__(self) -> None:
        self.state = FakeState()
        self.searcher = FakeSearcher()

    def client(self, documents: Sequence[CleanedDocument] = DOCUMENTS, **key: Any) -> TestClient:
        self.searcher = FakeSearcher(documents)
        keys = (Key(name="alice", sha256=hashlib.sha256(SECRET.encode()).hexdigest(), **key),)
        app = create_app(FakeAssistant(self.searcher, self.state), self.searcher, self.state, Serving(keys=keys))
        headers = {"Authorization": f"Bearer {SECRET}"}
        return TestClient(app, base_url="http://127.0.0.1", headers=headers, raise_server_exceptions=False)


@pytest.fixture
def world() -> World:
    return World()


def asked(client: TestClient, question: str = "Monday", **more: object) -> str:
    reply = client.post("/ask", json={"question": question, "stream": True, **more})
    assert reply.status_code == 200, reply.text
    [conversation] = client.get("/conversations").json()
    return str(conversation["id"])


def turns_of(client: TestClient, conversation: str) -> list[dict[str, Any]]:
    reply = client.get(f"/conversations/{conversation}")
    assert reply.status_code == 200, reply.text
    return list(reply.json()["turns"])


def test_turns_come_with_what_their_receipts_prove(world: World) -> None:
    client = world.client()
    [turn] = turns_of(client, asked(client))
    assert [citation["uri"] for citation in turn["citations"]] == ["faq:2"]
    assert (turn["outcome"], turn["confidence"], turn["flags"]) == ("answered", None, [])
    assert turn["question"] == "Monday"
    assert turn["versions"]["index"] == "v1"


def test_sources_that_the_reader_may_not_see_any_more_are_left_out(world: World) -> None:
    before = world.client()
    conversation = asked(before, "Monday search")
    assert {one["uri"] for one in turns_of(before, conversation)[0]["citations"]} == {"faq:2", "manual:1"}
    [turn] = turns_of(world.client(sources=("manual",)), conversation)
    assert [one["uri"] for one in turn["citations"]] == ["manual:1"]
    assert turn["flags"] == ["withdrawn"]
    [turn] = turns_of(world.client(sources=()), conversation)
    assert turn["citations"] == []


def test_a_source_that_has_changed_since_is_said_to_have(world: World) -> None:
    conversation = asked(world.client())
    changed = [replace(one, text=one.text.upper()) if one.uri == "faq:2" else one for one in DOCUMENTS]
    [turn] = turns_of(world.client(changed), conversation)
    assert (len(turn["citations"]), turn["flags"]) == (1, ["outdated"])


def test_without_a_receipt_or_an_index_the_texts_are_there_all_the_same(world: World) -> None:
    client = world.client()
    conversation = asked(client)

    def no_index(*_: object) -> dict[str, CleanedDocument]:
        raise UsageError("there is no index yet")

    world.searcher.documents = no_index  # type: ignore[method-assign]
    [turn] = turns_of(client, conversation)
    assert "citations" not in turn
    world.state._receipts.clear()
    [turn] = turns_of(world.client(), conversation)
    assert turn["answer"]
    assert "citations" not in turn


def test_a_receipt_is_its_callers_own_and_so_is_feedback(world: World) -> None:
    client = world.client()
    [turn] = turns_of(client, asked(client))
    assert client.post("/feedback", json={"answer_id": turn["answer_id"], "rating": "up"}).status_code == 204
    assert world.state.receipt("local", turn["answer_id"]) is None


def test_a_long_conversation_has_its_last_answers_proven(world: World) -> None:
    client = world.client()
    conversation = asked(client)
    last = Turn(question="later", answer_id="gone", answer="text", at="now")
    for _ in range(MOST_TURNS):
        world.state.add_turn("alice", conversation, last)
    shown = turns_of(client, conversation)
    assert len(shown) == MOST_TURNS + 1
    assert not any("citations" in turn for turn in shown)


@pytest.fixture
def scripted() -> tuple[TestClient, FakeState]:
    searcher, state = FewDocuments(), FakeState()
    app = create_app(ScriptedAssistant(searcher), searcher, state, Serving(threads=2))
    return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False), state


@pytest.mark.parametrize("fate", ["fail", "usage", "vendor", "broken", "silent"])
def test_a_first_question_that_fails_leaves_no_conversation(scripted: tuple[TestClient, FakeState], fate: str) -> None:
    client, state = scripted
    client.post("/ask", json={"question": f"this will {fate}", "stream": True})
    assert state.conversations("local") == []
    client.post("/ask", json={"question": "this will not", "stream": True})
    assert [one.title for one in state.conversations("local")] == ["this will not"]


def test_a_turn_that_cannot_be_kept_leaves_no_conversation(
    scripted: tuple[TestClient, FakeState], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, state = scripted

    def full(*_: object) -> None:
        raise BackendError("the disk is full")

    monkeypatch.setattr(state, "add_turn", full)
    reply = client.post("/ask", json={"question": "whales", "stream": True})
    assert "event: finished" in reply.text
    assert '"conversation_id":null' in reply.text
    assert state.conversations("local") == []


@pytest.mark.parametrize(("bad", "words"), [("a\\u0000b", "a NUL character"), ("a\\ud800b", "half of a character")])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/ask", '{"question": "%s"}'),
        ("/search", '{"query": "%s"}'),
        ("/feedback", '{"answer_id": "x", "rating": "up", "comment": "%s"}'),
        ("/conversations", '{"title": "%s"}'),
        ("/v1/chat/completions", '{"messages": [{"role": "user", "content": "%s"}]}'),
        ("/v1/chat/completions", '{"messages": [{"role": "user", "content": [{"type": "text", "text": "%s"}]}]}'),
    ],
)
def test_what_is_no_text_is_refused_in_a_sentence(
    scripted: tuple[TestClient, FakeState], path: str, body: str, bad: str, words: str
) -> None:
    client, _ = scripted
    reply = client.post(path, content=body % bad, headers={"content-type": "application/json"})
    assert reply.status_code == (400 if path.startswith("/v1/") else 422)
    message = reply.json()["error"]["message"]
    assert f"holds {words}" in message
    assert "take it out" in message
    assert "alue error" not in message
    assert "should be" not in message

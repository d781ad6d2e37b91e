import json
from collections.abc import Collection, Iterator
from typing import Any

import pytest
from answering_world import Library, Speaker, assistant, document
from assistant_fakes import DOCUMENTS, FakeAssistant, FakeSearcher, FakeState
from fastapi.testclient import TestClient

from llm_engineering.config import Serving
from llm_engineering.domain.conditions import condition_of
from llm_engineering.domain.errors import BackendError, BudgetExceeded
from llm_engineering.serving.app import create_app


@pytest.fixture
def client() -> Iterator[TestClient]:
    searcher, state = FakeSearcher(), FakeState()
    app = create_app(FakeAssistant(searcher, state), searcher, state, Serving(threads=2))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


def events_of(text: str) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_an_answer_has_citations_hits_and_no_conversation_of_its_own(client: TestClient) -> None:
    reply = client.post("/ask", json={"question": "join the course"})
    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert body["outcome"] == "answered"
    assert "[1]" in body["text"]
    assert body["citations"][0]["uri"] == body["hits"][0]["uri"] == "faq:1"
    assert body["conversation_id"] is None


def test_a_stream_begins_with_its_sources_and_ends_with_the_whole_answer(client: TestClient) -> None:
    reply = client.post("/ask", json={"question": "deadline", "stream": True})
    assert reply.headers["content-type"].startswith("text/event-stream")
    events = events_of(reply.text)
    assert events[0][0] == "sources"
    assert events[-1][0] == "finished"
    assert {name for name, _ in events[1:-1]} == {"piece"}
    assert "".join(body["text"] for name, body in events if name == "piece").strip() == events[-1][1]["text"]


def test_only_of_a_stream_pieces_are_read(client: TestClient) -> None:
    for streams in (False, True):
        body = {"messages": [{"role": "user", "content": "deadline"}], "stream": streams}
        client.post("/v1/chat/completions", json=body)
        client.post("/ask", json={"question": "deadline", "stream": streams})
    asked = client.app.state.service.assistant.asked  # type: ignore[attr-defined]
    assert [question.whole for question in asked] == [True, True, False, False]


def test_a_streamed_question_begins_a_conversation_that_remembers_it(client: TestClient) -> None:
    first = events_of(client.post("/ask", json={"question": "deadline", "stream": True}).text)
    assert first[0][1]["conversation_id"] is None
    conversation = first[-1][1]["conversation_id"]
    client.post("/ask", json={"question": "course", "conversation_id": conversation})
    turns = client.get(f"/conversations/{conversation}").json()["turns"]
    assert [turn["question"] for turn in turns] == ["deadline", "course"]


@pytest.mark.parametrize("streams", [False, True])
def test_an_answer_is_not_lost_because_it_cannot_be_kept_for_its_key(streams: bool) -> None:
    class Full(FakeState):
        def cache(self, key: str, value: str, seconds: float, documents: Collection[str] = ()) -> None:
            raise BackendError("the disk is full")

        def release(self, key: str) -> None:
            raise BackendError("the disk is full")

    searcher, state = FakeSearcher(), Full()
    app = create_app(FakeAssistant(searcher, state), searcher, state, Serving(threads=2))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        body = {"question": "join the course", "stream": streams}
        reply = client.post("/ask", json=body, headers={"Idempotency-Key": "a"})
    assert reply.status_code == 200, reply.text
    assert '"outcome":"answered"' in reply.text
    assert "broken" not in reply.text


def test_filters_have_a_long_and_a_short_form(client: TestClient) -> None:
    condition = {"op": "eq", "field": "course", "value": "mlops"}
    for chosen in (condition, {"course": "mlops"}, {"course": ["mlops", "x"]}, {"op": "not", "condition": condition}):
        reply = client.post("/search", json={"query": "the course deadline docker machine", "filter": chosen})
        assert reply.status_code == 200, reply.text
        courses = {hit["metadata"].get("course") for hit in reply.json()["hits"]}
        assert courses == ({"ml"} if "condition" in chosen else {"mlops"})


def test_a_document_is_shown_at_a_span_with_its_surroundings(client: TestClient) -> None:
    document = DOCUMENTS[0]
    body = client.get(f"/documents/{document.id}", params={"start": 8, "end": 13, "context": 4}).json()
    assert (body["before"], body["span"], body["after"]) == ("can ", "still", " joi")
    assert client.get(f"/documents/{document.id}", params={"start": 8, "end": 9_999}).status_code == 422
    assert client.get("/documents/unknown").json()["error"]["code"] == "no_document"


def test_load_balancers_may_ask_for_heads_alone(client: TestClient) -> None:
    for path in ("/health", "/ready"):
        assert client.head(path).status_code == client.get(path).status_code == 200
    assert "head" not in client.get("/openapi.json").json()["paths"]["/health"]


def test_every_reply_carries_the_policy_and_a_number(client: TestClient) -> None:
    for path in ("/health", "/ready", "/unknown", "/models", "/openapi.json", "/metrics"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff"
        assert len(headers["x-request-id"]) == 32


def test_facets_models_and_numbers_are_there(client: TestClient) -> None:
    assert client.get("/facets").json()["source"] == {"faq": 3, "manual": 1}
    assert client.get("/models").json() == {"models": ["extractive", "writer"], "default": "extractive"}
    client.post("/ask", json={"question": "deadline", "llm": "writer"})
    text = client.get("/metrics").text
    assert 'llm_engineering_answers_total{outcome="answered"} 1.0' in text
    assert 'llm_engineering_index_info{model="words",version="v1"} 1.0' in text
    assert 'llm_engineering_tokens_total{kind="input",llm="writer"} 12.0' in text


def test_feedback_is_for_those_who_got_the_answer(client: TestClient) -> None:
    answer = client.post("/ask", json={"question": "deadline"}).json()["id"]
    assert client.post("/feedback", json={"answer_id": answer, "rating": "up"}).status_code == 204
    assert client.post("/feedback", json={"answer_id": "unknown", "rating": "up"}).status_code == 404
    assert client.post("/feedback", json={"answer_id": answer, "rating": "sideways"}).status_code == 422


def test_the_same_request_twice_is_one_answer(client: TestClient) -> None:
    once = {"Idempotency-Key": "a"}
    first = client.post("/ask", json={"question": "deadline"}, headers=once).json()
    again = client.post("/ask", json={"question": "deadline"}, headers=once).json()
    streamed = client.post("/ask", json={"question": "deadline", "stream": True}, headers=once).text
    other = client.post("/ask", json={"question": "course"}, headers=once)
    assert first == again == events_of(streamed)[-1][1]
    assert other.status_code == 422
    assert other.json()["error"]["code"] == "idempotency_mismatch"


USER = {"role": "user", "content": "join the course"}


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": [{"type": "text", "text": ""}, {"type": "text", "text": "join the course"}]}],
        [{"role": "system", "content": [{"type": "text", "text": "s" * 30_000}]}, USER],
        [USER, {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}, USER],
        [USER, {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]},
         {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "result"}]}, USER],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}, USER],
        [{"role": "user", "content": "join the course", "name": "bob"}],
    ],
)  # fmt: skip
def test_messages_of_other_clients_are_understood(client: TestClient, messages: list[dict[str, Any]]) -> None:
    more = {
        "seed": 1,
        "response_format": {"type": "text"},
        "tools": [],
        "stop": ["."],
        "logprobs": False,
        "user": "x",
        "modalities": ["text"],
    }
    reply = client.post("/v1/chat/completions", json={"model": "extractive", "messages": messages, **more})
    assert reply.status_code == 200, reply.text
    assert "[1]" in reply.json()["choices"][0]["message"]["content"]


@pytest.mark.parametrize("streams", [False, True])
def test_a_chat_can_be_limited_as_a_question_can(client: TestClient, streams: bool) -> None:
    body = {"messages": [USER], "filter": {"course": "mlops"}, "k": 1, "stream": streams}
    reply = client.post("/v1/chat/completions", json=body)
    assert reply.status_code == 200, reply.text
    asked = client.app.state.service.assistant.asked[-1]  # type: ignore[attr-defined]
    assert (asked.filter, asked.k) == (condition_of({"course": "mlops"}), 1)
    said = json.loads(reply.text.split("data: ")[-2]) if streams else reply.json()
    assert len(said["citations"]) <= 1
    assert (said["flags"], said["warnings"]) == ([], [])
    wrong = client.post("/v1/chat/completions", json=body | {"filter": {"course": {"$ne": "x"}}})
    assert wrong.status_code == 400
    assert wrong.json()["error"]["message"].startswith("filter.course: ")


@pytest.mark.parametrize("gap", ["\n", "\n\n", " \n", "\r\n"])
@pytest.mark.parametrize("written", ["You can join later [1].", "You can join later [9] [1] ."])
def test_a_streamed_chat_says_the_answer_of_a_model_once(written: str, gap: str) -> None:
    library = Library(document("You can join later. Ask in the forum.", "join"))
    model = Speaker(f'{written}{gap}QUOTES\n[1] "You can join later."')
    with TestClient(create_app(assistant(library, model), library, FakeState()), base_url="http://127.0.0.1") as client:
        body = {"messages": [{"role": "user", "content": "Can I join later?"}], "stream": True}
        chunks = client.post("/v1/chat/completions", json=body).text.split("\n\n")
    said = [json.loads(chunk.removeprefix("data: "))["choices"][0]["delta"] for chunk in chunks if "delta" in chunk]
    assert "".join(delta.get("content", "") for delta in said).replace(" .", ".").replace("  ", " ") == (
        "You can join later [1]."
    )


def test_nobody_is_sent_back_soon_to_a_budget_that_is_spent() -> None:
    def spent(_request: object) -> str:
        raise BudgetExceeded("the budget of a day is spent")

    library = Library(document("You can join later.", "join"))
    answering = assistant(library, Speaker(spent), llm_failure="break")
    with TestClient(create_app(answering, library, FakeState()), base_url="http://127.0.0.1") as client:
        reply = client.post("/ask", json={"question": "Can I join later?"})
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "3600")


def test_a_model_that_nobody_named_is_named_in_the_reply(client: TestClient) -> None:
    assert client.post("/v1/chat/completions", json={"messages": [USER]}).json()["model"] == "extractive"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, "'image_url'"),
        ({"messages": [{"role": "user", "content": {"a": 1}}]}, "messages.0.content.text: "),
        ({"messages": [USER], "n": 2}, "n: there is one answer"),
        ({"messages": [USER], "response_format": {"type": "json_schema", "json_schema": {}}}, "no 'json_schema'"),
        ({"messages": [USER], "tools": [], "tool_choice": "required"}, "tool_choice: the assistant calls no tools"),
        ({"messages": [USER], "tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice: "),
        ({"messages": [USER], "functions": [], "function_call": {"name": "f"}}, "function_call: "),
        ({"messages": [USER], "logprobs": True, "top_logprobs": 3}, "logprobs: answers have no"),
        ({"messages": [USER], "modalities": ["text", "audio"]}, "modalities: answers are texts"),
        ({"messages": [{"role": "system", "content": "be nice"}]}, "the last message"),
    ],
)
def test_what_cannot_be_answered_is_named_plainly(client: TestClient, body: dict[str, Any], said: str) -> None:
    reply = client.post("/v1/chat/completions", json=body)
    assert reply.status_code == 400
    assert said in reply.json()["error"]["message"]
    assert "function-after" not in reply.text


SCALARS = "give a text, a number, true or false"


@pytest.mark.parametrize(
    ("filter", "said"),
    [
        ({"year": None}, f"filter.year: {SCALARS}, or a list of these"),
        ({"str": {"$ne": 1}, "in": [[]]}, f"filter.str: {SCALARS}, or a list of these; filter.in: {SCALARS}, or a"),
        ({"op": "eq", "field": "a", "value": [1]}, f"filter.value: {SCALARS}"),
        (
            {"op": "not", "condition": {"op": "and", "conditions": [{"op": "in", "field": "a", "values": [None]}]}},
            f"filter.condition.conditions.0.values.0: {SCALARS}",
        ),
        ({"op": "nope", "field": "a"}, "filter: `op` is one of eq, in, range, and, or, not"),
        ({"op": "and", "conditions": [{"a": 1}]}, "filter.conditions.0: give a condition with an `op`, such as"),
        ({"op": "range", "field": "a", "gte": "2021-05-01"}, "filter.gte: give a number"),
        ({"op": "eq", "a": 1}, "filter.field: is missing; filter.value: is missing; filter.a: there is no such field"),
        ({"op": "range", "field": "a"}, "filter: give at least one of gt, gte, lt, lte"),
        ("course=ml", 'filter: give a condition such as {"op": "eq"'),
        ([1], 'filter: give a condition such as {"op": "eq"'),
    ],
)
def test_what_is_wrong_with_a_filter_is_said_once_where_it_stands(client: TestClient, filter: Any, said: str) -> None:
    reply = client.post("/search", json={"query": "course", "filter": filter})
    assert reply.status_code == 422
    message = reply.json()["error"]["message"]
    assert message.startswith(said)
    assert "Input should" not in message


def test_the_description_tells_refusals_and_keys_as_they_are(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    assert "HTTPValidationError" not in described["components"]["schemas"]
    for path, name in (("/search", "Refusal"), ("/v1/chat/completions", "RefusalBelowV1")):
        route = described["paths"][path]["post"]
        assert route["security"] == [{"key": []}]
        said = route["responses"]["4XX"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        refusal = client.post(path, json={}).json()
        assert said == name
        assert set(refusal["error"]) == set(described["components"]["schemas"]["Reason" + said[7:]]["properties"])
    found = client.post("/search", json={"query": "course"}).json()
    assert set(found) == set(described["components"]["schemas"]["Retrieved"]["properties"])
    assert "security" not in described["paths"]["/health"]["get"]
    assert "security" in described["paths"]["/metrics"]["get"]


def test_what_is_not_there_says_what_is(client: TestClient) -> None:
    assert "/openapi.json" in client.post("/v1/embeddings", json={}).json()["error"]["message"]
    assert client.put("/ask", json={}).json()["error"]["message"] == "this route takes POST"
    garbled = client.post("/ask", content=b'{"question": "\xff"}', headers={"content-type": "application/json"})
    assert (garbled.status_code, "UTF-8" in garbled.json()["error"]["message"]) == (400, True)


@pytest.mark.parametrize("filter", [[], "tenant", 1])
def test_a_filter_of_another_type_is_named_and_not_the_body(client: TestClient, filter: Any) -> None:
    reply = client.post("/search", json={"query": "course", "filter": filter})
    assert reply.status_code == 422
    assert "filter" in reply.json()["error"]["message"]

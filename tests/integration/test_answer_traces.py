"""Answers leave a trace that a viewer understands, and never wait for it."""

import asyncio
import hashlib
import json
import socket
import time
from collections.abc import Iterator
from contextlib import aclosing

import pytest
from opentelemetry import trace as global_trace
from otlp_receiver import Receiver, attributes
from pydantic import ValidationError
from scripted_assistant import TEXT, FewDocuments, ScriptedAssistant

from llm_engineering.domain.answers import AnswerEvent, Finished, Question
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.ports.answers import Assistant
from llm_engineering.infrastructure.observability.sessions import in_session
from llm_engineering.infrastructure.observability.tracing import Tracing, traced

QUESTION = "who sings at night, Ada?"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def ask(tracing: Tracing, *texts: str, session: str = "") -> list[list[AnswerEvent]]:
    async def all_of() -> list[list[AnswerEvent]]:
        assistant = traced(ScriptedAssistant(FewDocuments()), tracing)
        try:
            with in_session(session):
                return [[event async for event in assistant.answer(Question(text=text))] for text in texts]
        finally:
            await assistant.close()

    return asyncio.run(all_of())


def test_an_answer_is_one_trace_with_retrieval_prompt_and_model(receiver: Receiver) -> None:
    [events] = ask(Tracing(endpoint=receiver.endpoint, content="full"), QUESTION, session="s1")
    assert isinstance(events[-1], Finished)
    answer = events[-1].answer
    names = [span.name for span in receiver.spans]
    stages = ["embed", "dense", "rerank"]
    assert sorted(names) == sorted(
        ["answer", "retrieval", *stages, "query", "sources", "prompt", "chat scripted", "check"]
    )
    root, retrieval = receiver.named("answer"), receiver.named("retrieval")
    assert len({span.trace_id for span in receiver.spans}) == 1
    assert not root.parent_span_id
    assert retrieval.parent_span_id == root.span_id
    assert {receiver.named(stage).parent_span_id for stage in stages} == {retrieval.span_id}
    assert all(root.start_time_unix_nano <= span.start_time_unix_nano for span in receiver.spans)
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in receiver.spans)
    said = attributes(root)
    assert said["openinference.span.kind"] == "CHAIN"
    assert (said["input.value"], said["output.value"]) == (QUESTION, answer.text)
    assert said["session.id"] == "s1"
    assert said["llm_engineering.answer_id"] == answer.id
    assert said["llm_engineering.version.index"] == "v7"
    assert (said["llm_engineering.outcome"], said["llm_engineering.flags"]) == ("answered", ["injection:x"])
    hit = attributes(retrieval)
    assert hit["openinference.span.kind"] == "RETRIEVER"
    assert hit["retrieval.documents.0.document.id"] == answer.citations[0].chunk_id
    assert (hit["retrieval.documents.0.document.score"], hit["retrieval.documents.0.document.content"]) == (0.5, TEXT)
    rerank = attributes(receiver.named("rerank"))
    assert rerank["openinference.span.kind"] == "RERANKER"
    assert (rerank["llm_engineering.given"], rerank["llm_engineering.model"]) == (1, "light")
    model = attributes(receiver.named("chat scripted"))
    assert model["openinference.span.kind"] == "LLM"
    assert (model["gen_ai.request.model"], model["gen_ai.usage.input_tokens"]) == ("scripted", 100)
    assert (model["llm.token_count.prompt"], model["llm.token_count.completion"]) == (100, 10)
    assert model["llm.cost.total"] == pytest.approx(0.001)
    assert attributes(receiver.named("prompt"))["llm_engineering.prompt_hash"] == "ab" * 32
    assert receiver.resources[0]["openinference.project.name"] == "llm-engineering"


@pytest.mark.parametrize("content", ["hashes", "none"])
def test_texts_stay_here_unless_they_are_asked_for(receiver: Receiver, content: str) -> None:
    tracing = Tracing.model_validate({"endpoint": receiver.endpoint, "content": content})
    ask(tracing, QUESTION, f"{QUESTION} broken")
    sent = repr(receiver.spans)
    for text in ("Ada", "Whales", "whales.md", "hung up"):
        assert text not in sent
    said = attributes(next(span for span in receiver.spans if span.name == "answer"))
    digest = f"sha256:{hashlib.sha256(QUESTION.encode()).hexdigest()}"
    assert said.get("input.value") == (digest if content == "hashes" else None)


@pytest.mark.parametrize(
    ("text", "reason"), [("broken", "llm_failed"), ("fail", "BackendError"), ("vendor", "RuntimeError")]
)
def test_an_answer_that_fails_is_an_error_in_its_trace(receiver: Receiver, text: str, reason: str) -> None:
    async def one() -> None:
        assistant = traced(ScriptedAssistant(FewDocuments()), Tracing(endpoint=receiver.endpoint))
        try:
            async for _ in assistant.answer(Question(text=text)):
                pass
        except (BackendError, RuntimeError):
            pass
        await assistant.close()

    asyncio.run(one())
    root = receiver.named("answer")
    assert root.status.code == 2
    assert attributes(root)["error.type"] == reason
    assert receiver.named("retrieval").parent_span_id == root.span_id


def test_a_listener_who_leaves_early_is_seen_and_the_work_is_cancelled(receiver: Receiver) -> None:
    inner = ScriptedAssistant(FewDocuments())

    async def leave(after: int) -> None:
        assistant: Assistant = traced(inner, Tracing(endpoint=receiver.endpoint))
        async with aclosing(assistant.answer(Question(text=QUESTION))) as events:  # type: ignore[type-var]
            for _ in range(after):
                await anext(events)
        assert inner.at_once == 0
        await assistant.close()

    asyncio.run(leave(2))
    assert attributes(receiver.named("answer"))["error.type"] == "cancelled"
    receiver.spans.clear()
    asyncio.run(leave(4))
    assert "error.type" not in attributes(receiver.named("answer"))


def test_only_a_share_is_traced_where_that_is_said(receiver: Receiver) -> None:
    ask(Tracing(endpoint=receiver.endpoint, sample=0.5), *[QUESTION] * 100)
    roots = [span for span in receiver.spans if span.name == "answer"]
    assert 20 <= len(roots) <= 80
    assert {span.trace_id for span in receiver.spans} == {span.trace_id for span in roots}


def test_headers_come_from_the_environment(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACES_KEY", "very/secret=key")
    ask(Tracing(endpoint=receiver.endpoint, headers={"Authorization": "Bearer ${env:TRACES_KEY}"}), QUESTION)
    assert receiver.headers[0]["authorization"] == "Bearer very/secret=key"


def test_a_secret_in_the_file_is_refused_without_being_shown() -> None:
    for wrong in (
        {"headers": {"Authorization": "Bearer abcdef0123456789"}},
        {"headers": {"api_key": "abcdef0123456789"}},
        {"endpoint": "https://me:abcdef0123456789@example.org/v1/traces"},
        {"endpoint": "example.org"},
    ):
        with pytest.raises(ValidationError) as refused:
            Tracing.model_validate({"endpoint": "http://127.0.0.1:1/v1/traces", **wrong})
        assert "abcdef0123456789" not in str(refused.value)
    with pytest.raises(UsageError, match="NOT_SET_ANYWHERE"):
        traced(
            ScriptedAssistant(FewDocuments()),
            Tracing(endpoint="http://127.0.0.1:1/", headers={"x-key": "${env:NOT_SET_ANYWHERE}"}),
        )


def test_without_an_endpoint_there_is_nothing_between_the_caller_and_the_assistant() -> None:
    assistant = ScriptedAssistant(FewDocuments())
    assert traced(assistant, Tracing()) is assistant
    assert traced(assistant, Tracing(endpoint="http://127.0.0.1:1/", sample=0)) is assistant


def test_the_process_keeps_its_own_provider(receiver: Receiver) -> None:
    before = global_trace.get_tracer_provider()
    ask(Tracing(endpoint=receiver.endpoint), QUESTION)
    assert global_trace.get_tracer_provider() is before


def test_a_viewer_that_is_away_hangs_or_refuses_costs_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    hangs, refuses = Receiver(delay=30), Receiver(status=500)
    try:
        for endpoint in (f"http://127.0.0.1:{port}/v1/traces", hangs.endpoint, refuses.endpoint):
            began = time.monotonic()
            answers = ask(Tracing(endpoint=endpoint), *[QUESTION] * 20)
            assert all(isinstance(events[-1], Finished) for events in answers)
            assert time.monotonic() - began < 20, endpoint
    finally:
        hangs.close()
        refuses.close()


def test_metadata_is_json_and_strange_texts_are_sent(receiver: Receiver) -> None:
    ask(Tracing(endpoint=receiver.endpoint, content="full"), "a \0 and a \u202e and 💥")
    root = attributes(receiver.named("answer"))
    assert root["input.value"] == "a \0 and a \u202e and 💥"
    assert json.loads(root["metadata"])["outcome"] == "answered"

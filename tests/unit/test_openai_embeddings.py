"""The embedder behind OpenAI's API, against a server that speaks it well and badly."""

import json
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from embedding_server import EmbeddingServer, encoded, failure, reply
from pydantic import ValidationError

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.errors import BackendError, LLMEngineeringError, UsageError
from llm_engineering.infrastructure.embedders import Hashing, OpenAIEmbeddings
from llm_engineering.infrastructure.embedders.openai_embedder import OpenAIEmbedder
from llm_engineering.infrastructure.embedders.openai_replies import retry_after

HOME = Path()
TEXTS = ["one fish", "two fishes", "a red herring", "", "blue whales sing"]


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    found = EmbeddingServer()
    yield found
    found.close()


def spec_of(server: EmbeddingServer, **settings: Any) -> OpenAIEmbeddings:
    given = {"model": "some-model", "dimension": server.dimension, "base_url": server.url, "retries": 0, **settings}
    return OpenAIEmbeddings(**given)


def opened(server: EmbeddingServer, waits: list[float] | None = None, **settings: Any) -> OpenAIEmbedder:
    spec = spec_of(server, **settings)
    kept = waits if waits is not None else []
    return OpenAIEmbedder(spec, spec.card(HOME), spec.open_tokenizer(HOME), kept.append)


def vectors(embedder: OpenAIEmbedder, texts: list[str]) -> list[Vector]:
    found = [pair for batch in embedder.embed(texts) for pair in batch]
    assert sorted(place for place, _ in found) == list(range(len(texts)))
    return [vector for _, vector in sorted(found, key=lambda pair: pair[0])]


def near(vector: Vector, text: str, dimension: int = 32) -> bool:
    expected = Hashing(dimension=dimension).open(HOME).embed_query(text or " ")
    return sum(a * b for a, b in zip(vector, expected, strict=True)) > 0.99999


@pytest.mark.parametrize("encoding", ["base64", "float"])
@pytest.mark.parametrize("batch", [1, 2, 64])
def test_each_text_gets_its_own_vector_whatever_the_order_of_answers(
    server: EmbeddingServer, encoding: str, batch: int
) -> None:
    found = vectors(opened(server, encoding=encoding, batch=batch), TEXTS)
    assert all(near(vector, text) for vector, text in zip(found, TEXTS, strict=True))
    assert all(math.hypot(*vector) == pytest.approx(1, abs=1e-6) for vector in found)
    assert {request["encoding_format"] for request in server.requests} == {encoding}
    assert len(server.requests) == math.ceil(len(TEXTS) / batch)
    assert set(server.paths) == {"/v1/embeddings"}


def test_what_was_asked_for_as_base64_may_come_as_numbers(server: EmbeddingServer) -> None:
    server.behaviour = lambda request, _: (200, {}, reply(server.entries({**request, "encoding_format": "float"})))
    assert near(opened(server).embed_query("a fish"), "a fish")


def test_prompts_are_put_before_passages_and_queries(server: EmbeddingServer) -> None:
    embedder = opened(server, query_prompt="query: ", passage_prompt="passage: ")
    embedder.embed_query("a")
    vectors(embedder, ["b"])
    assert [request["input"] for request in server.requests] == [["query: a"], ["passage: b"]]
    assert all("dimensions" not in request for request in server.requests)
    opened(server, shorten=True).embed_query("c")
    assert server.requests[-1]["dimensions"] == 32


def test_a_long_query_loses_its_end_and_a_long_passage_is_refused(server: EmbeddingServer) -> None:
    embedder = opened(server, max_tokens=16)
    embedder.embed_query("word " * 100)
    assert server.requests[-1]["input"] == [("word " * 14).strip()]
    with pytest.raises(BackendError, match="text 1 takes 102 tokens, the embedder's window is 16"):
        vectors(embedder, ["short", "word " * 100])


# Keys


def test_the_key_is_sent_to_its_server_and_shown_nowhere(
    server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_EMBEDDING_KEY", "sk-very-secret-0815")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai-4711")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-private")
    spec = spec_of(server, api_key="${env:MY_EMBEDDING_KEY}")
    server.behaviour = lambda request, _: failure(401, "invalid_api_key", "Incorrect key sk-very-secret-0815")
    with pytest.raises(UsageError, match="the key was refused") as refused:
        spec.open(HOME).embed_query("a")
    assert server.headers[-1]["authorization"] == "Bearer sk-very-secret-0815"
    assert "openai-organization" not in server.headers[-1]
    assert "sk-very" not in f"{refused.value!r} {spec!r} {spec.model_dump_json()} {spec.card(HOME)!r}"
    assert refused.value.__cause__ is None


def test_without_a_key_none_is_sent_not_even_that_of_openai(
    server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai-4711")
    opened(server).embed_query("a")
    assert "authorization" not in server.headers[-1]


def test_a_missing_key_is_known_before_any_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UsageError, match="OPENAI_API_KEY is not set"):
        OpenAIEmbeddings(model="text-embedding-3-small", dimension=1536).require()


@pytest.mark.parametrize(
    ("address", "is_refused"),
    [
        ("http://embeddings.example.org/v1", True),
        ("http://10.0.0.7:8000/v1", True),
        ("http://127.0.0.1.example.org/v1", True),
        ("https://embeddings.example.org/v1", False),
        ("http://localhost:8000/v1", False),
        ("http://[::1]:8000/v1", False),
    ],
)
def test_a_key_does_not_travel_readable_to_another_machine(
    monkeypatch: pytest.MonkeyPatch, address: str, is_refused: bool
) -> None:
    monkeypatch.setenv("MY_EMBEDDING_KEY", "sk-very-secret-0815")
    spec = OpenAIEmbeddings(model="m", dimension=8, base_url=address, api_key="${env:MY_EMBEDDING_KEY}")
    if not is_refused:
        spec.require()
        return
    with pytest.raises(UsageError, match="readable for everybody on the way; use https") as refused:
        spec.require()
    assert "sk-very" not in str(refused.value)
    spec.model_copy(update={"allow_insecure_key": True}).require()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"api_key": "sk-in-the-file"}, "must be a reference"),
        ({"base_url": "https://user:secret@host.example/v1"}, "holds a secret"),
        ({"base_url": "host.example"}, "must begin with http"),
        ({"dimension": 0}, "dimension"),
        ({"encoding": "hex"}, "base64"),
        ({"key": "x"}, "key"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says) as refused:
        OpenAIEmbeddings(**{"model": "m", "dimension": 8, **settings})
    assert "sk-in-the-file" not in str(refused.value)
    assert "user:secret" not in str(refused.value)


# Failures


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_failure_that_passes_is_waited_for(server: EmbeddingServer, status: int) -> None:
    server.behaviour = lambda request, count: failure(status, Retry_After="7") if count < 3 else None
    waits: list[float] = []
    assert near(opened(server, waits, retries=2).embed_query("a fish"), "a fish")
    assert len(waits) == 2
    assert all(7 <= wait < 8 for wait in waits)


def test_a_long_wait_is_left_to_whoever_has_the_time(server: EmbeddingServer) -> None:
    server.behaviour = lambda request, count: failure(429, Retry_After="600")
    waits: list[float] = []
    with pytest.raises(BackendError, match="HTTP 429") as failed:
        opened(server, waits, retries=5).embed_query("a")
    assert (failed.value.transient, failed.value.retry_after, waits) == (True, 600, [])


def test_a_question_does_not_wait_for_longer_than_a_request_may_take(server: EmbeddingServer) -> None:
    server.behaviour = lambda request, count: failure(503, Retry_After="4") if count < 3 else None
    waits: list[float] = []
    with pytest.raises(BackendError, match="HTTP 503"):
        opened(server, waits, retries=5, timeout=3).embed_query("a")
    assert waits == []
    vectors(opened(server, waits, retries=5, timeout=3), ["a run", "has time"])
    assert len(waits) == 1


def test_a_request_over_the_tokens_of_a_minute_is_halved_instead_of_waited_for(server: EmbeddingServer) -> None:
    server.behaviour = lambda request, _: (
        failure(429, "rate_limit_exceeded", "Request too large for some-model on tokens per min (TPM)")
        if len(request["input"]) > 2
        else None
    )
    found = vectors(opened(server, concurrency=1), TEXTS)
    assert all(near(vector, text) for vector, text in zip(found, TEXTS, strict=True))


def test_a_spent_quota_does_not_pass(server: EmbeddingServer) -> None:
    server.behaviour = lambda request, count: failure(429, "insufficient_quota")
    with pytest.raises(BackendError, match="insufficient_quota") as failed:
        opened(server, retries=3).embed_query("a")
    assert not failed.value.transient
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3),
        ("-3", 0),
        ("1e9", 3600),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ],
)
def test_the_time_that_a_server_names_is_read(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}) == seconds


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_batch_that_is_too_much_is_halved_and_remembered(server: EmbeddingServer, status: int) -> None:
    server.behaviour = lambda request, _: failure(status, "too_many") if len(request["input"]) > 3 else None
    texts = [f"text number {number}" for number in range(20)]
    embedder = opened(server, batch=10, concurrency=1)
    found = vectors(embedder, texts)
    assert all(near(vector, text) for vector, text in zip(found, texts, strict=True))
    sizes = [len(request["input"]) for request in server.requests]
    assert max(sizes[len(sizes) // 2 :]) <= 3
    sent = [text for request in server.requests if len(request["input"]) <= 3 for text in request["input"]]
    assert sorted(sent) == sorted(texts)


def test_one_text_that_is_too_long_is_named_without_being_shown(server: EmbeddingServer) -> None:
    server.behaviour = lambda request, _: (
        failure(400, "context_length_exceeded", f"too long: {request['input']}")
        if any("secret" in text for text in request["input"])
        else None
    )
    with pytest.raises(BackendError, match=r"refused 1 texts of up to 15 characters.*max_tokens") as refused:
        vectors(opened(server, concurrency=1), ["a", "b", "a secret story.", "c"])
    assert not refused.value.transient
    assert "context_length_exceeded" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_server_that_is_down_is_left_alone_for_a_while(server: EmbeddingServer) -> None:
    server.behaviour = lambda request, _: failure(503)
    embedder = opened(server, breaker_failures=2, breaker_seconds=0.5)
    for _ in range(2):
        with pytest.raises(BackendError, match="HTTP 503"):
            embedder.embed_query("a")
    with pytest.raises(BackendError, match=r"is not asked.*HTTP 503") as refused:
        embedder.embed_query("a")
    assert refused.value.transient
    assert len(server.requests) == 2
    server.behaviour = None
    threading.Event().wait(0.6)
    assert near(embedder.embed_query("a"), "a")


def test_nobody_listening_is_a_clear_error(server: EmbeddingServer) -> None:
    embedder = opened(server, timeout=5)
    server.close()
    with pytest.raises(BackendError, match=r"could not be reached.*base_url") as failed:
        embedder.embed_query("a")
    assert failed.value.transient


def test_a_redirect_is_not_followed(server: EmbeddingServer) -> None:
    server.behaviour = lambda request, _: (307, {"Location": "http://127.0.0.1:1/v1/embeddings"}, b"")
    with pytest.raises(UsageError, match="redirects; set `base_url`"):
        opened(server).embed_query("a")


def test_another_path_is_a_clear_error(server: EmbeddingServer) -> None:
    server.behaviour = lambda request, _: (404, {"Content-Type": "text/html"}, b"<html>nothing here</html>")
    with pytest.raises(UsageError, match="usually ends in /v1"):
        opened(server).embed_query("a")


def entry(vector: object, index: object = 0) -> dict[str, object]:
    return {"object": "embedding", "index": index, "embedding": vector}


GOOD = [0.5] * 32
HOSTILE = [
    pytest.param(b"", "no answer", id="nothing"),
    pytest.param(b"<html>Sign in</html>", "no JSON", id="a page"),
    pytest.param(b"[" * 100_000, "no JSON", id="deep"),
    pytest.param(b"\xff\xfe\x00", "no JSON", id="bytes"),
    pytest.param(b"[]", "no JSON with `data`", id="a list"),
    pytest.param(b'{"data": null}', "no JSON with `data`", id="no data"),
    pytest.param(reply([]), "0 vectors for 1 texts", id="too few"),
    pytest.param(reply([entry(GOOD), entry(GOOD, 1)]), "2 vectors for 1 texts", id="too many"),
    pytest.param(reply([entry(GOOD, 1)]), "`index`", id="another index"),
    pytest.param(reply([entry(GOOD, "0")]), "`index`", id="a word as index"),
    pytest.param(reply([entry(GOOD, True)]), "`index`", id="a truth as index"),
    pytest.param(reply([{"embedding": GOOD}]), "`index`", id="no index"),
    pytest.param(reply([None]), "`index`", id="null"),
    pytest.param(reply([entry(None)]), "no list of numbers", id="no vector"),
    pytest.param(reply([entry(["1"] * 32)]), "no list of numbers", id="words"),
    pytest.param(reply([entry([True] * 32)]), "no list of numbers", id="truths"),
    pytest.param(reply([entry([GOOD])]), "no list of numbers", id="nested"),
    pytest.param(reply([entry([])]), "no list of numbers", id="empty"),
    pytest.param(reply([entry({"0": 1})]), "no list of numbers", id="mapping"),
    pytest.param(reply([entry("%%%")]), "no base64", id="no base64"),
    pytest.param(reply([entry("AAAAAAA=")]), "no base64", id="half a number"),
    pytest.param(reply([entry([10**400] * 32)]), "hundreds of digits", id="huge integers"),
    pytest.param(reply([entry([math.nan] * 32)]), "zero or no number", id="NaN"),
    pytest.param(reply([entry(encoded([math.nan] * 32))]), "zero or no number", id="NaN in base64"),
    pytest.param(reply([entry([math.inf, *GOOD[1:]])]), "zero or no number", id="infinite"),
    pytest.param(reply([entry([1e300, *GOOD[1:]])]), "zero or no number", id="beyond 32 bits"),
    pytest.param(reply([entry([0] * 32)]), "zero or no number", id="zero"),
    pytest.param(reply([entry([0.5] * 31)]), "31 components, `embedding.dimension` says 32", id="shorter"),
    pytest.param(reply([entry(encoded([0.5] * 64))]), "64 components", id="longer"),
    pytest.param(b'{"data": [' + b" " * 3_000_000 + b"]}", "longer than", id="long"),
]


@pytest.mark.parametrize(("body", "says"), HOSTILE)
def test_an_answer_that_is_none_is_a_clear_error(server: EmbeddingServer, body: bytes, says: str) -> None:
    server.behaviour = lambda request, _: (200, {}, body)
    with pytest.raises(LLMEngineeringError, match=says):
        opened(server).embed_query("a")


def test_the_largest_and_smallest_numbers_are_still_directions(server: EmbeddingServer) -> None:
    for number in (3e38, 1e-38):
        server.behaviour = lambda request, _, number=number: (200, {}, reply([entry([number] * 32)]))  # type: ignore[misc]
        assert math.hypot(*opened(server).embed_query("a")) == pytest.approx(1, abs=1e-6)


def test_a_doubled_index_is_refused(server: EmbeddingServer) -> None:
    server.behaviour = lambda request, _: (200, {}, reply([entry(GOOD), entry(GOOD)]))
    with pytest.raises(BackendError, match="`index` does not name each of 2 texts once"):
        vectors(opened(server), ["a", "b"])


def test_a_compressed_answer_is_not_read(server: EmbeddingServer) -> None:
    server.behaviour = lambda request, _: (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b")
    with pytest.raises(BackendError, match="compressed"):
        opened(server).embed_query("a")


def test_an_answer_that_never_ends_is_given_up(server: EmbeddingServer) -> None:
    server.drip = 0.3
    with pytest.raises(BackendError, match=r"did not answer in time|took longer") as failed:
        opened(server, timeout=1).embed_query("a")
    assert failed.value.transient


def test_what_is_not_utf8_is_sent_as_a_replacement(server: EmbeddingServer) -> None:
    opened(server).embed_query("lone \ud800 surrogate")
    assert server.requests[-1]["input"] == ["lone \ufffd surrogate"]


def test_the_model_is_told_from_others_by_what_decides_its_vectors(server: EmbeddingServer) -> None:
    card = spec_of(server).card(HOME)
    for same in ({"base_url": "https://elsewhere.example/v1"}, {"batch": 3}, {"query_prompt": "q: "}):
        assert spec_of(server, **same).card(HOME).digest == card.digest
    for other in ({"model": "x"}, {"dimension": 16}, {"revision": "2"}, {"passage_prompt": "p: "}):
        assert spec_of(server, **other).card(HOME).digest != card.digest
    assert json.loads(spec_of(server, query_prompt="q: ").card(HOME).model_dump_json())["query_prompt"] == "q: "

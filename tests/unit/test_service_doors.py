"""Who gets in, how often, and with what."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from assistant_fakes import DOCUMENTS, FakeAssistant, FakeSearcher, FakeState, a_document
from fastapi import FastAPI
from fastapi.testclient import TestClient
from loguru import logger
from pydantic import ValidationError

from llm_engineering.config import Key, Serving
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.serving.admission import Bucket
from llm_engineering.serving.app import create_app
from llm_engineering.serving.callers import Callers
from llm_engineering.serving.problems import Problem

SECRET = "a-key-that-nobody-guesses"


def a_key(name: str, secret: str = SECRET, **more: Any) -> Key:
    return Key(name=name, sha256=hashlib.sha256(secret.encode()).hexdigest(), **more)


def an_app(
    *keys: Key, documents: Sequence[CleanedDocument] = DOCUMENTS, state: FakeState | None = None, **more: Any
) -> FastAPI:
    searcher, state = FakeSearcher(documents), state or FakeState()
    return create_app(FakeAssistant(searcher, state), searcher, state, Serving(keys=keys, **more))


def a_client(app: FastAPI, host: str = "127.0.0.1") -> TestClient:
    return TestClient(app, base_url=f"http://{host}", raise_server_exceptions=False)


def bearer(secret: str = SECRET) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.mark.parametrize("path", ["/models", "/facets", "/metrics", "/conversations", "/documents/1", "/v1/models"])
def test_without_a_key_nothing_is_told(path: str) -> None:
    client = a_client(an_app(a_key("alice")))
    for headers in ({}, bearer("wrong"), {"Authorization": SECRET}, {"Authorization": "Basic x"}, bearer("x" * 9_999)):
        reply = client.get(path, headers=headers)
        assert reply.status_code == 401
        assert reply.headers["www-authenticate"] == "Bearer"


def test_a_key_opens_what_its_scopes_name() -> None:
    client = a_client(an_app(a_key("alice", scopes=("search",))))
    assert client.post("/search", json={"query": "deadline"}, headers=bearer()).status_code == 200
    for path, body in (("/ask", {"question": "x"}), ("/feedback", {"answer_id": "x", "rating": "up"})):
        assert client.post(path, json=body, headers=bearer()).status_code == 403
    assert client.get("/metrics", headers=bearer()).status_code == 403
    assert client.get("/documents/x", headers=bearer()).status_code == 403


def test_the_page_health_and_the_description_need_no_key() -> None:
    client = a_client(an_app(a_key("alice")))
    assert client.get("/health").status_code == client.get("/ready").status_code == 200
    assert "/ask" in client.get("/openapi.json").json()["paths"]


def test_a_key_comes_from_the_environment_and_is_not_in_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALICE_KEY", SECRET)
    callers = Callers(Serving(keys=(Key(name="alice", key="${env:ALICE_KEY}"),)))
    assert callers.caller(f"Bearer {SECRET}").name == "alice"
    with pytest.raises(Problem):
        callers.caller("Bearer ${env:ALICE_KEY}")
    for wrong in ({"key": SECRET}, {"key": "x${env:A}"}, {}, {"key": "${env:A}", "sha256": "0" * 64}):
        with pytest.raises(ValidationError):
            Key(name="alice", **wrong)


def test_short_missing_and_shared_keys_are_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHORT", "short")
    with pytest.raises(UsageError, match="5 characters"):
        Callers(Serving(keys=(Key(name="alice", key="${env:SHORT}"),)))
    with pytest.raises(UsageError, match="not set"):
        Callers(Serving(keys=(Key(name="alice", key="${env:NOT_THERE_AT_ALL}"),)))
    with pytest.raises(UsageError, match="same key"):
        Callers(Serving(keys=(a_key("alice"), a_key("bob"))))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_other_machines_need_keys(host: str) -> None:
    with pytest.raises(ValidationError, match="no keys"):
        Serving(host=host)
    assert Serving(host=host, keys=(a_key("alice"),)).host == host


def test_without_keys_a_foreign_host_name_is_refused() -> None:
    app = an_app()
    assert a_client(app, "rebound.example.org").get("/models").status_code == 400
    assert a_client(app, "localhost").get("/models").status_code == 200
    assert a_client(an_app(hosts=("assistant.lan",)), "assistant.lan").get("/models").status_code == 200


def test_a_key_has_so_many_requests_and_is_told_when_the_next_may_come() -> None:
    client = a_client(an_app(a_key("alice", rate={"per_second": 0.5, "burst": 3}), a_key("bob", "another-" * 3)))
    codes = [client.get("/models", headers=bearer()).status_code for _ in range(5)]
    assert codes == [200, 200, 200, 429, 429]
    refused = client.get("/v1/models", headers=bearer())
    assert 1 <= int(refused.headers["retry-after"]) <= 2
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert client.get("/models", headers=bearer("another-" * 3)).status_code == 200


def test_a_bucket_fills_again() -> None:
    now = 0.0
    bucket = Bucket(Serving().rate.model_copy(update={"burst": 2, "per_second": 1.0}), lambda: now)
    bucket.take(), bucket.take()
    with pytest.raises(Problem):
        bucket.take()
    now = 1.0
    bucket.take()


def test_the_log_has_a_line_for_each_request_and_nothing_of_its_body_or_key() -> None:
    lines: list[str] = []
    number = logger.add(lines.append, level="DEBUG", format="{message}")
    client = a_client(an_app(a_key("alice")))
    client.post("/search?secret=canary-query", json={"query": "canary-body"}, headers=bearer())
    client.post("/search", json={"query": 7, "canary-field": 1}, headers=bearer("canary-key-canary-key"))
    logger.remove(number)
    text = "".join(lines)
    assert "alice POST /search" in text
    assert "canary" not in text
    assert SECRET not in text


def test_what_fails_unexpectedly_tells_nothing_but_its_number() -> None:
    state = FakeState()
    app = an_app(state=state)
    client = a_client(app)
    state.failure = RuntimeError("canary: secret table")
    reply = client.get("/ready")
    assert reply.status_code == 500
    assert "canary" not in reply.text
    assert reply.json()["error"]["request_id"] == reply.headers["x-request-id"]
    state.failure = BackendError("canary: db.internal:5432 is away", transient=True)
    assert client.get("/ready").json()["missing"] == ["state"]


BODIES = {"/ask": "question", "/search": "query"}
HOSTILE: tuple[bytes, ...] = (
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"\xff\xfe\x00",
    b'{"FIELD": 7}',
    b'{"FIELD": null}',
    b'{"FIELD": ""}',
    b'{"FIELD": "   "}',
    b'{"FIELD": "\\u0000"}',
    b'{"FIELD": "\\ud800"}',
    b'{"FIELD": "x", "unknown": 1}',
    b'{"FIELD": "x", "access": {"tenants": null}}',
    b'{"FIELD": "x", "owner": "bob"}',
    b'{"FIELD": "x", "k": -1}',
    b'{"FIELD": "x", "k": 1e999}',
    b'{"FIELD": "x", "k": ' + b"9" * 5_000 + b"}",
    b'{"FIELD": "x", "filter": {"op": "drop"}}',
    b'{"FIELD": "x", "filter": {"op": "eq", "field": "a"}}',
    b'{"FIELD": "x", "filter": {"": "a"}}',
    b'{"FIELD": "x", "filter": {"a": {"b": "c"}}}',
    b'{"FIELD": "x", "filter": {"op": "range", "field": "a", "gt": NaN}}',
    b'{"FIELD": "x", "filter": ' + b'{"op": "not", "condition": ' * 2_000 + b"1" + b"}" * 2_000 + b"}",
    b'{"FIELD": "x", "filter": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"FIELD": "x", "filter": {"op": "in", "field": "a", "values": [' + b"1," * 10_000 + b"1]}}",
    b'{"FIELD": "x", "filter": {' + b",".join(b'"f%d": 1' % n for n in range(10_000)) + b"}}",
    b'{"FIELD": "' + b"x" * 30_000 + b'"}',
)


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_bodies_are_refused_with_a_sentence(path: str, body: bytes) -> None:
    client = a_client(an_app())
    sent = body.replace(b"FIELD", BODIES[path].encode())
    reply = client.post(path, content=sent, headers={"content-type": "application/json"})
    assert reply.status_code in (400, 422), reply.text
    error = reply.json()["error"]
    assert error["message"]
    assert len(reply.content) < 2_500


@pytest.mark.parametrize("path", [*BODIES, "/feedback", "/conversations", "/v1/chat/completions"])
def test_too_much_and_other_types_are_refused(path: str) -> None:
    client = a_client(an_app(body_limit=2_048))
    large = b'{"question": "' + b"x" * 3_000 + b'"}'
    assert client.post(path, content=large, headers={"content-type": "application/json"}).status_code == 413
    pieces = (large[start : start + 100] for start in range(0, len(large), 100))
    assert client.post(path, content=pieces, headers={"content-type": "application/json"}).status_code == 413
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        reply = client.post(path, content=b'{"question": "x"}', headers={"content-type": kind})
        assert reply.status_code == 415, reply.text
    assert client.put(path, content=b"{}").status_code == 405


def test_hostile_chats_are_refused_in_the_shape_of_openai() -> None:
    client = a_client(an_app())
    user = {"role": "user", "content": "x"}
    for body in (
        {"messages": "x"},
        {"messages": [user], "n": 2},
        {"messages": [{"role": "king", "content": "x"}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x"}}]}]},
        {"messages": [{"role": "user", "content": "\x00"}]},
        {"messages": [user, {"role": "assistant", "content": "y"}]},
        {"messages": [{"role": "user", "content": "x" * 20_001}]},
        {"messages": [user] * 1_001},
    ):
        reply = client.post("/v1/chat/completions", json=body)
        assert reply.status_code == 400, body
        assert reply.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("path", ["/page/../app.py", "/page/%2e%2e/app.py", "/page/..%2fapp.py", "/page//etc/passwd"])
def test_no_path_leads_out_of_the_page(path: str) -> None:
    assert a_client(an_app()).get(path).status_code == 404


def test_tenants_and_owners_never_meet() -> None:
    asyncio.run(_tenants_and_owners_never_meet(tenants=8, sessions=5, rounds=50))


async def _tenants_and_owners_never_meet(tenants: int, sessions: int, rounds: int) -> None:
    names = [f"tenant{number}" for number in range(tenants)]
    documents = [a_document(f"{name}:1", f"The plan holds canary-{name} inside.", tenant=name) for name in names]
    documents.append(a_document("nobody:1", "The plan holds canary-nobody inside."))
    keys = [a_key(name, f"the-long-key-of-{name}", tenants=(name,)) for name in names]
    state = FakeState()
    app = an_app(*keys, documents=documents, state=state, rate={"burst": 100_000}, waiting=10_000)
    transport = httpx.ASGITransport(app)
    ids = {document.uri.partition(":")[0]: document.id for document in documents}
    foreign = {name: [f"canary-{other}" for other in (*names, "nobody") if other != name] for name in names}

    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:

        async def session(name: str, number: int) -> None:
            headers = bearer(f"the-long-key-of-{name}") | {"Idempotency-Key": f"same-for-all-{number}"}
            begun = await client.post("/conversations", json={"title": f"canary-{name}"}, headers=headers)
            conversation = begun.json()["id"]
            for turn in range(rounds):
                other = names[(names.index(name) + turn) % tenants]
                filters: list[dict[str, Any] | None] = [
                    None,
                    {"tenant": other},
                    {"metadata.tenant": [other, name]},
                    {"op": "not", "condition": {"op": "eq", "field": "tenant", "value": name}},
                    {"op": "or", "conditions": [{"op": "and", "conditions": []}]},
                ]
                body: dict[str, Any] = {"question": "the plan", "filter": filters[turn % 5], "stream": turn % 2 == 0}
                asked = await client.post(
                    "/ask",
                    json=body | {"conversation_id": conversation} if turn % 3 else body,
                    headers=headers if turn == 0 else bearer(f"the-long-key-of-{name}"),
                )
                found = await client.post("/search", json={"query": "plan canary"}, headers=headers)
                shown = await client.get(f"/documents/{ids[other]}", headers=headers)
                assert asked.status_code == found.status_code == 200, asked.text
                assert shown.status_code == (200 if other == name else 404)
                for reply in (asked, found, shown):
                    assert not [canary for canary in foreign[name] if canary in reply.text]
            seen.append((name, conversation))

        seen: list[tuple[str, str]] = []
        await asyncio.gather(*(session(name, number) for name in names for number in range(sessions)))
        assert len(seen) == tenants * sessions
        for name in names:
            headers = bearer(f"the-long-key-of-{name}")
            for other, conversation in seen:
                reply = await client.get(f"/conversations/{conversation}", headers=headers)
                assert reply.status_code == (200 if other == name else 404)
            mine = await client.get("/conversations", headers=headers)
            facets = await client.get("/facets", headers=headers)
            assert not [canary for canary in foreign[name] if canary in mine.text]
            assert facets.json()["source"] == {"faq": 1}
            foreign_one = next(conversation for other, conversation in seen if other != name)
            asked = {"question": "plan", "conversation_id": foreign_one}
            assert (await client.post("/ask", json=asked, headers=headers)).status_code == 404
            assert (await client.delete(f"/conversations/{foreign_one}", headers=headers)).status_code == 404

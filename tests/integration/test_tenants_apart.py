"""Tenants never meet: the real service, index and state, and marks in everything that is anybody's.

`TENANTS_ROUNDS=20` asks more than ten thousand times.
"""

import asyncio
import json
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from llm_server import LlmServer
from loguru import logger
from otlp_receiver import Receiver, attributes
from tenants_world import QUESTION, Seen, assistant_config, bearer, fill, served

from llm_engineering.config import AssistantConfig
from llm_engineering.domain.access import Access

ROUNDS = int(os.environ.get("TENANTS_ROUNDS", "2"))
TENANTS, KEYS = 8, 5


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def llms() -> Iterator[LlmServer]:
    with LlmServer() as server:
        yield server


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lines.append, level="DEBUG", format="{message} {exception}")
    yield lines
    logger.remove(sink)


class Session:
    """One key at work: it asks in every way that there is, and reaches for what others have."""

    def __init__(self, client: httpx.AsyncClient, seen: Seen, tenant: int, number: int) -> None:
        self.client, self.seen, self.tenant, self.number = client, seen, tenant, number
        self.mark = f"Zask{tenant}-{number}z"
        self.conversation = ""
        self.answers: list[str] = []
        self.document = ""

    async def send(self, method: str, path: str, *allowed: int, json: Any = None, **headers: str) -> httpx.Response:
        reply = await self.client.request(method, path, json=json, headers=bearer(self.tenant, self.number) | headers)
        assert reply.status_code in (allowed or (200,)), f"{method} {path}: {reply.status_code} {reply.text}"
        self.seen.read(f"{reply.text} {reply.headers}", self.tenant, self.number, f"{method} {path}")
        return reply

    async def begin(self) -> None:
        name = f"Zname{self.tenant}-{self.number}z"
        made = await self.send("POST", "/conversations", 201, json={"title": name})
        self.conversation = made.json()["id"]

    async def work(self, others: "list[Session]", turn: int) -> None:
        asked = f"{QUESTION} {self.mark}" if turn % 2 else QUESTION
        mine = {"conversation_id": self.conversation}
        said = await self.send("POST", "/ask", json={"question": asked, "llm": "extractive"} | mine)
        assert f"Zdoc{self.tenant}z" in said.text
        self.answers.append(said.json()["id"])
        await self.send("POST", "/feedback", 204, json={"answer_id": self.answers[-1], "rating": "up"})
        streamed = {"question": asked, "llm": "writer", "stream": True} | (mine if turn % 3 == 0 else {})
        told = await self.send("POST", "/ask", json=streamed, **{"Idempotency-Key": f"everybody-{self.number}-{turn}"})
        assert f"Zdoc{self.tenant}z" in told.text.partition("event: finished")[2], told.text
        whole = [{"role": "user", "content": "And before that?"}, {"role": "user", "content": asked}]
        chat = {"model": "writer", "messages": whole, "stream": turn % 2 == 0}
        await self.send("POST", "/v1/chat/completions", json=chat)
        found = (await self.send("POST", "/search", json={"query": "plan garden Zdoc", "k": 20})).json()
        assert {hit["metadata"]["tenant"] for hit in found["hits"]} == {f"tenant{self.tenant}"}
        self.document = found["hits"][0]["document_id"]
        facets = (await self.send("GET", "/facets")).json()
        assert set(facets["tenant"]) == {f"tenant{self.tenant}"}
        await self.send("GET", "/conversations")
        await self.send("GET", f"/conversations/{self.conversation}")
        await self.reach(others[turn % len(others)])

    async def reach(self, other: "Session") -> None:
        """Ask for what is somebody else's, by its right name."""
        theirs = {"conversation_id": other.conversation, "question": "What was said before?"}
        await self.send("POST", "/ask", 404, json=theirs)
        await self.send("POST", "/ask", 404, json=theirs | {"stream": True})
        await self.send("GET", f"/conversations/{other.conversation}", 404)
        await self.send("DELETE", f"/conversations/{other.conversation}", 404)
        if other.answers:
            await self.send("POST", "/feedback", 404, json={"answer_id": other.answers[0], "rating": "down"})
        if other.document and other.tenant != self.tenant:
            await self.send("GET", f"/documents/{other.document}", 404)
            await self.send("GET", f"/documents/{other.document}?start=0&end=5", 404)
            wanted = {"query": "plan", "filter": {"document_id": other.document}}
            assert (await self.send("POST", "/search", json=wanted)).json()["hits"] == []


def test_tenants_never_meet(tmp_path: Path, home: Path, receiver: Receiver, llms: LlmServer, log: list[str]) -> None:
    fill(tmp_path / "texts", TENANTS)
    config = assistant_config(
        TENANTS,
        KEYS,
        llms=[{"kind": "openai", "name": "writer", "model": "quotes", "base_url": f"{llms.url}/v1"}],
        tracing={"endpoint": receiver.endpoint, "content": "full"},
    )
    seen = Seen()
    log.clear()
    asyncio.run(_all_at_once(config, seen))
    assert seen.foreign == []
    assert seen.replies > ROUNDS * TENANTS * KEYS * 10
    assert seen.marks > seen.replies
    _check_traces(receiver)
    told = Seen()
    told.read("".join(log), None)
    assert told.foreign == []


async def _all_at_once(config: AssistantConfig, seen: Seen) -> None:
    async with served(config) as (app, client):
        sessions = [Session(client, seen, tenant, number) for tenant in range(TENANTS) for number in range(KEYS)]
        await asyncio.gather(*(session.begin() for session in sessions))

        async def work(at: int) -> None:
            others = sessions[at + 1 :] + sessions[:at]
            for turn in range(ROUNDS):
                await sessions[at].work(others[7 * at % len(others) :] + others, turn)

        await asyncio.gather(*(work(at) for at in range(len(sessions))))
        for session in sessions:  # in turn: of two that ask at once, neither finds the other's answer in the cache
            await session.send("POST", "/ask", json={"question": QUESTION, "llm": "writer"})
        measured = await client.get("/metrics", headers={"Authorization": "Bearer the-long-key-of-prometheus"})
        nobody = Seen()
        nobody.read(measured.text, None)
        assert measured.status_code == 200
        assert nobody.foreign == []
        assert 'outcome="cached"' in measured.text
        _check_receipts(app.state.service.state, sessions)


def _check_receipts(state: Any, sessions: list[Session]) -> None:
    kept = Seen()
    for session, other in zip(sessions, sessions[1:] + sessions[:1], strict=True):
        owner = f"key{session.tenant}-{session.number}@tenant{session.tenant}"
        for answer in session.answers:
            receipt = state.receipt(owner, answer)
            assert receipt.access == Access(tenants=(f"tenant{session.tenant}",))
            kept.read(receipt.model_dump_json(), session.tenant, session.number)
            assert state.receipt(f"key{other.tenant}-{other.number}@tenant{other.tenant}", answer) is None
            assert state.receipt("local", answer) is None
    assert kept.foreign == []
    assert kept.marks > 0


def _check_traces(receiver: Receiver) -> None:
    traces = defaultdict(list)
    for span in receiver.spans:
        traces[span.trace_id].append(json.dumps(attributes(span), default=str))
    texts = Seen()
    sessions = 0
    for spans in traces.values():
        whole = " ".join(spans)
        whose = next(tenant for tenant in range(TENANTS) if f"Zdoc{tenant}z" in whole)
        sessions += "session.id" in whole
        texts.read(whole, whose)
    assert len(traces) > TENANTS * KEYS
    assert sessions > TENANTS * KEYS
    assert texts.foreign == []

"""Filters that somebody sends to get at other tenants' documents: at the HTTP door and at MCP's, on a real index."""

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from tenants_world import QUESTION, Seen, assistant_config, bearer, fill, served

from llm_engineering.bootstrap import open_inference
from llm_engineering.config import AssistantConfig
from llm_engineering.domain.access import Access
from llm_engineering.serving.mcp import mcp_server


def tenant(name: str) -> dict[str, Any]:
    return {"op": "eq", "field": "tenant", "value": name}


def no(condition: Any) -> dict[str, Any]:
    return {"op": "not", "condition": condition}


def deep(levels: int) -> dict[str, Any]:
    condition = tenant("tenant1")
    for _ in range(levels):
        condition = no(condition)
    return condition


MINE, THEIRS = tenant("tenant0"), tenant("tenant1")
ALWAYS: dict[str, Any] = {"op": "and", "conditions": []}
FILTERS: list[Any] = [
    {"tenant": "tenant1"}, {"metadata.tenant": "tenant1"}, {"tenant": ["tenant0", "tenant1"]}, {"tenant": []},
    {"metadata.metadata.tenant": "tenant1"}, {"Tenant": "tenant1"}, {"tenant ": "tenant1"}, {"tenant": "tenant1\u0000"},
    {"tenant": "\ud800"}, {"\ud800": "tenant1"}, {"tenant": True}, {"tenant": 10**400}, {"tenant": float("inf")},
    {"tenant": None}, {"tenant": [None]}, {"tenant": [["tenant1"]]}, {"tenant": {"$ne": "tenant0"}},
    {"metadata": {"tenant": "tenant1"}}, {"access": {"tenants": None}}, {"access": "all"}, {"tenants": ["tenant1"]},
    {"": "tenant1"}, {"metadata.": "tenant1"}, {"*": "*"}, {"$or": "1", "should": [], "must_not": []},
    {"source": "source1"}, {"source": ["source0", "source1", "sourcenobody"]}, {"a" * 100_000: "x"},
    MINE, THEIRS, no(MINE), no(THEIRS), no(no(THEIRS)),
    no({"op": "or", "conditions": []}), deep(9), deep(60), deep(150),
    ALWAYS, {"op": "or", "conditions": [ALWAYS, THEIRS]}, {"op": "or", "conditions": [MINE, THEIRS, no(MINE)]},
    {"op": "in", "field": "tenant", "values": ["tenant0", "tenant1"]},
    {"op": "in", "field": "tenant", "values": ["t"] * 5_000},
    {"op": "or", "conditions": [THEIRS] * 1_500}, {"op": "range", "field": "tenant", "gte": 0},
    {"op": "range", "field": "tenant"}, {"op": "exec", "field": "tenant", "value": 1}, {"op": ["or"], "conditions": []},
    {"op": None}, {**MINE, "access": {}}, [], [THEIRS], "tenant1", 1, True,
]  # fmt: skip


@pytest.fixture
def config(tmp_path: Path, home: Path) -> AssistantConfig:
    fill(tmp_path / "texts", 2)
    return assistant_config(2, 1)


def test_there_are_forty_of_them() -> None:
    assert len(FILTERS) >= 40


def test_over_http_they_are_refused_or_find_what_is_the_callers(config: AssistantConfig) -> None:
    seen = Seen()

    async def send_all() -> list[str]:
        strange = []
        async with served(config) as (_, client):
            for one in FILTERS:
                for path, body in (("/search", {"query": QUESTION}), ("/ask", {"question": QUESTION})):
                    content = json.dumps({**body, "filter": one}).encode()
                    headers = bearer(0) | {"Content-Type": "application/json"}
                    reply = await client.post(path, content=content, headers=headers)
                    seen.read(reply.text, 0)
                    hits = reply.json().get("hits", [])
                    foreign = [hit for hit in hits if hit["metadata"].get("tenant") != "tenant0"]
                    if reply.status_code not in (200, 400, 422) or foreign:
                        strange.append(f"{path} {str(one)[:200]}: {reply.status_code} {reply.text[:200]}")
        return strange

    assert asyncio.run(send_all()) == []
    assert seen.foreign == []
    assert seen.marks > 0


def test_over_mcp_they_are_refused_or_find_what_is_the_clients(config: AssistantConfig) -> None:
    seen = Seen()

    async def call_all() -> list[str]:
        strange = []
        server = mcp_server(partial(open_inference, config), Access(tenants=("tenant0",)))
        async with Client(server) as client:
            for one in FILTERS:
                if one == {"\ud800": "tenant1"}:  # this client cannot send it
                    continue
                for tool, body in (("search", {"query": QUESTION}), ("ask", {"question": QUESTION})):
                    reply = await client.call_tool(tool, {**body, "filter": one})
                    text = str(reply)
                    seen.read(text, 0)
                    if "source1" in text.replace(str(one), "") and not reply.is_error:
                        strange.append(f"{tool} {str(one)[:200]}: {text[:200]}")
        return strange

    assert asyncio.run(call_all()) == []
    assert seen.foreign == []
    assert seen.marks > 0

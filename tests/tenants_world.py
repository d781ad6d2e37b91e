"""Tenants whose documents, titles, addresses and questions hold marks, an index of them all, and the real service."""

import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from llm_engineering import plain
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import AssistantConfig, FeatureConfig, read_config
from llm_engineering.serving.composing import opened

# `Zdoc3z` is tenant 3's; `Zask3-1z` was said by the second key of tenant 3.
MARK = re.compile(r"Z(doc|title|uri|ask|name)(\d+|nobody)(?:-(\d+))?z")
QUESTION = "What does the plan of the garden say?"


def key_of(tenant: int, number: int) -> str:
    return f"the-long-key-{tenant}-{number}"


@dataclass
class Seen:
    """Marks that came out where they should not."""

    replies: int = 0
    marks: int = 0
    foreign: list[str] = field(default_factory=list)

    def read(self, text: str, tenant: int | None, number: int | None = None, where: str = "") -> None:
        """Note the marks of other tenants, and of what other keys of the same tenant said."""
        self.replies += 1
        for mark in MARK.finditer(text):
            self.marks += 1
            if mark[2] != str(tenant) or (mark[1] in ("ask", "name") and number is not None and mark[3] != str(number)):
                self.foreign.append(f"{mark[0]} seen by {tenant}-{number} {where}")


def fill(folder: Path, tenants: int) -> FeatureConfig:
    """Write and index the tenants' documents: one with marks, one that all have word for word, and nobody's."""
    sources = []
    for tenant in [*range(tenants), "nobody"]:
        root = folder / f"texts-{tenant}"
        root.mkdir(parents=True)
        (root / f"Zuri{tenant}z.md").write_text(
            f"# Ztitle{tenant}z plan of the garden\n\nThe plan of the garden says Zdoc{tenant}z and nothing else.\n"
        )
        (root / "same.md").write_text("# Rules\n\nThe garden of everybody is open on Sundays.\n")
        whose = "" if tenant == "nobody" else f", tenant: tenant{tenant}"
        sources.append(f"{{kind: files, name: source{tenant}, root: {root}{whose}}}")
    config = read_config(
        FeatureConfig,
        None,
        [f"ingest.sources=[{', '.join(sources)}]", "embedding.kind=hashing", "load.payload_indexes=[tenant]"],
    )
    plain.feature(config)
    return config


def assistant_config(tenants: int, keys: int, **more: Any) -> AssistantConfig:
    """Return the configuration of a service with keys for each tenant, and one that measures."""
    listed: list[dict[str, Any]] = [
        {
            "name": f"key{tenant}-{number}",
            "sha256": hashlib.sha256(key_of(tenant, number).encode()).hexdigest(),
            "tenants": [f"tenant{tenant}"],
        }
        for tenant in range(tenants)
        for number in range(keys)
    ]
    measuring = hashlib.sha256(b"the-long-key-of-prometheus").hexdigest()
    listed.append({"name": "prometheus", "sha256": measuring, "scopes": ["metrics"]})
    serving = {"keys": listed, "rate": {"per_second": 1e6, "burst": 1_000_000}, "waiting": 10_000, "generations": 1_000}
    config: dict[str, Any] = {
        "embedding": {"kind": "hashing"},
        "load": {"payload_indexes": ["tenant"]},
        "serving": serving,
        **more,
    }
    return AssistantConfig.model_validate(config)


@asynccontextmanager
async def served(config: AssistantConfig) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """Yield the application as the command line opens it, and a client."""
    async with AsyncExitStack() as outer:
        stack = outer.enter_context(ExitStack())
        app = opened(config, Workspace(), stack)
        await outer.enter_async_context(app.router.lifespan_context(app))
        transport = httpx.ASGITransport(app)
        yield (
            app,
            await outer.enter_async_context(
                httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=120)
            ),
        )


def bearer(tenant: int, number: int = 0) -> dict[str, str]:
    return {"Authorization": f"Bearer {key_of(tenant, number)}"}

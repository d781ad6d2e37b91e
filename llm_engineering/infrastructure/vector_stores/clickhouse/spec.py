"""The feature store in ClickHouse, or in MyScaleDB, which speaks as it does."""

from pathlib import Path
from typing import ClassVar, Literal

from llm_engineering.infrastructure.vector_stores.versioned.capabilities import Capabilities
from llm_engineering.infrastructure.vector_stores.versioned.engine import Engine
from llm_engineering.infrastructure.vector_stores.versioned.spec import ServerSpec


class Clickhouse(ServerSpec):
    """Keep the index in ClickHouse or MyScaleDB; LLM_ENGINEERING_CLICKHOUSE_URL may hold the address.

    It is asked over HTTP: port 8123, or 8443 with TLS (`clickhouses://`), unless the address names another one. Each
    search looks at all vectors that a filter allows.
    """

    title: ClassVar[str] = "ClickHouse"
    extra: ClassVar[str] = "clickhouse"
    package: ClassVar[str] = "clickhouse_connect"
    example: ClassVar[str] = "clickhouse://user:${env:CLICKHOUSE_PASSWORD}@host:8123/database"
    schemes: ClassVar[tuple[str, ...]] = ("clickhouse", "clickhouses")
    capabilities: ClassVar[Capabilities] = Capabilities(
        runs="server",
        dense="exact",
        sparse="engine",
        filters="engine, rest here",
        several_processes=True,
        several_machines=True,
        tested_with="its own engine in process (chdb) behind a stand-in for its HTTP server",
    )

    kind: Literal["clickhouse"] = "clickhouse"

    def engine(self, home: Path, collection: str) -> Engine:  # noqa: ARG002 - it is elsewhere
        from llm_engineering.infrastructure.vector_stores.clickhouse.client import ClickhouseClient
        from llm_engineering.infrastructure.vector_stores.clickhouse.engine import ClickhouseEngine

        return ClickhouseEngine(ClickhouseClient(self.address(), self), self)

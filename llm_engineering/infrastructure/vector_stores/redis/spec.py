"""The feature store in Redis, with its search module."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from llm_engineering.infrastructure.vector_stores.versioned.capabilities import Capabilities
from llm_engineering.infrastructure.vector_stores.versioned.engine import Engine
from llm_engineering.infrastructure.vector_stores.versioned.spec import ServerSpec


class RedisSearch(ServerSpec):
    """Keep the index in Redis 8, or an earlier one with RediSearch; LLM_ENGINEERING_REDIS_URL may hold the address."""

    title: ClassVar[str] = "Redis"
    extra: ClassVar[str] = "redis"
    package: ClassVar[str] = "redis"
    example: ClassVar[str] = "redis://:${env:REDIS_PASSWORD}@host:6379"
    schemes: ClassVar[tuple[str, ...]] = ("redis", "rediss")
    capabilities: ClassVar[Capabilities] = Capabilities(
        runs="server",
        dense="exact",
        sparse="this package",
        filters="engine, rest here",
        several_processes=True,
        several_machines=True,
        native_bm25=True,
        tested_with="a stand-in that speaks its commands; a real one where LLM_ENGINEERING_REDIS_URL is set",
        largest_search=10_000,
        largest_dimension=32_768,
    )

    kind: Literal["redis"] = "redis"
    prefix: str = Field(
        "llm-engineering", pattern=r"^[a-z][a-z0-9_-]{0,62}$", description="what the names of our keys begin with"
    )
    graph: bool = Field(False, description="search with HNSW, approximately; by default every allowed row is looked at")
    m: int = Field(16, ge=2, le=512, description="links of a row in HNSW")
    ef_construction: int = Field(200, ge=8, le=4_096, description="candidates while HNSW is built")
    ef_runtime: int = Field(100, ge=10, le=4_096, description="candidates that HNSW looks at in a search")

    def engine(self, home: Path, collection: str) -> Engine:  # noqa: ARG002 - it is elsewhere
        from llm_engineering.infrastructure.vector_stores.redis.engine import RedisEngine
        from llm_engineering.infrastructure.vector_stores.redis.server import RedisServer

        return RedisEngine(RedisServer(self), self)

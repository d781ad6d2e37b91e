"""Stores on servers that cannot be installed everywhere: opened on stand-ins, or on real ones that are named."""

import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from uuid import uuid4

import lucene_stand_in
import pinecone_stand_in
import pytest
import redis_search_stand_in

from llm_engineering.domain.ports import VectorStore
from llm_engineering.infrastructure.vector_stores import Elasticsearch, EngineSpec, OpenSearch, Pinecone, RedisSearch
from llm_engineering.infrastructure.vector_stores.pinecone import server as pinecone_server

# Before each test, tests/conftest.py takes these out of the environment.
NAMED = {name: value for name, value in os.environ.items() if name.startswith("LLM_ENGINEERING_")}
REAL: dict[str, tuple[type[EngineSpec], str]] = {
    "elasticsearch": (Elasticsearch, "LLM_ENGINEERING_ELASTICSEARCH_URL"),
    "opensearch": (OpenSearch, "LLM_ENGINEERING_OPENSEARCH_URL"),
    "redis": (RedisSearch, "LLM_ENGINEERING_REDIS_URL"),
    "pinecone": (Pinecone, "LLM_ENGINEERING_PINECONE_URL"),
}


@contextmanager
def _elasticsearch() -> Iterator[VectorStore]:
    with lucene_stand_in.stand_in("elasticsearch") as server, _opened(Elasticsearch(url=server.url)) as store:
        yield store


@contextmanager
def _opensearch() -> Iterator[VectorStore]:
    with lucene_stand_in.stand_in("opensearch") as server, _opened(OpenSearch(url=server.url)) as store:
        yield store


@contextmanager
def _redis() -> Iterator[VectorStore]:
    with redis_search_stand_in.stand_in() as server, _opened(RedisSearch(url=server.url)) as store:
        yield store


@contextmanager
def _pinecone() -> Iterator[VectorStore]:
    with pinecone_stand_in.stand_in() as server, pytest.MonkeyPatch.context() as environment:
        environment.setenv("LLM_ENGINEERING_PINECONE_API_KEY", server.key)
        environment.setattr(pinecone_server, "PAUSE", 0.002)
        with _opened(Pinecone(url=server.url)) as store:
            yield store


STAND_INS: dict[str, Callable[[], AbstractContextManager[VectorStore]]] = {
    "elasticsearch": _elasticsearch,
    "opensearch": _opensearch,
    "redis": _redis,
    "pinecone": _pinecone,
}
ON_REAL_SERVERS = [pytest.param(f"a real {name}", marks=pytest.mark.search_server) for name in REAL]


def skip_words(request: pytest.FixtureRequest) -> None:
    """Skip a test that searches sparse vectors on a store that refuses to: the test of that store says so."""
    if "pinecone" in str(request.param) and "search_sparse" in inspect.getsource(request.function):
        pytest.skip("Pinecone keeps no sparse vectors that it could search")


@contextmanager
def opened(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[VectorStore]:
    """Open a store on a stand-in; for `a real …` a collection of its own on a real server, which goes at the end."""
    if name in STAND_INS:
        with STAND_INS[name]() as store:
            yield store
        return
    kind, variable = REAL[name.removeprefix("a real ")]
    if not NAMED.get(variable):
        pytest.skip(f"needs a server in {variable}")
    for known, value in NAMED.items():
        monkeypatch.setenv(known, value)
    with _opened(kind(), f"contract-{uuid4().hex[:12]}") as store:
        yield store
        _clean(store)


@contextmanager
def _opened(spec: EngineSpec, collection: str = "notes") -> Iterator[VectorStore]:
    store = spec.open(Path(), collection)
    try:
        yield store
    finally:
        store.close()


def _clean(store: VectorStore) -> None:
    """Remove what a test left on a real server: the versions, then the books."""
    catalog = store._catalog  # type: ignore[attr-defined]
    for version in catalog.versions().values():
        catalog.drop(version)
    catalog.engine.forget([f"{catalog.collection}//active"])

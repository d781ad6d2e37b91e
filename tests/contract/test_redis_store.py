"""Redis as a store: what concerns the server, beyond the contract that every store has."""

import socket
import time
from array import array
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import pytest
from redis_search_stand_in import stand_in
from redis_server import redis_server

from llm_engineering.domain.chunks import Point, SparseVector
from llm_engineering.domain.conditions import Range
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.indexes import IndexManifest, ModelCard
from llm_engineering.infrastructure.vector_stores import RedisSearch
from llm_engineering.infrastructure.vector_stores.redis import keys as redis_keys
from llm_engineering.infrastructure.vector_stores.redis import rows as redis_rows


def manifest(dimension: int = 4, digest: str = "d1") -> IndexManifest:
    card = ModelCard(name="tiny", digest=digest, dimension=dimension, max_tokens=16)
    return IndexManifest(version="v1", fingerprint="f1", model=card, payload_indexes=())


def point(number: int, **metadata: object) -> Point:
    dense = array("f", (1.0, number / 10, 0.0, 0.0))
    payload = {"uri": str(number), "source": "notes", "document_id": str(number), "metadata": metadata}
    return Point(str(uuid5(NAMESPACE_URL, str(number))), dense, SparseVector((7, number + 10), (1.0, 1.0)), payload)


def test_a_server_that_is_not_there_or_says_nothing_is_told_within_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for port in (silent.getsockname()[1], 1):
            started = time.monotonic()
            with pytest.raises(BackendError, match="cannot be used") as told:
                RedisSearch(url=f"redis://127.0.0.1:{port}").open(Path(), "notes").active()
            assert told.value.transient
            assert time.monotonic() - started < 5 + 5  # and some grace for a busy machine


@pytest.mark.parametrize("url", ["", "localhost:6379", "http://host:6379", "redis://host:port"])
def test_an_address_that_is_none_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(UsageError, match=r"redis://:\$\{env:REDIS_PASSWORD\}@host:6379"):
        RedisSearch(url=url).open(Path(), "notes")


def test_a_wrong_password_is_refused_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with stand_in(password="right-horse") as server:
        variable = "LLM_ENGINEERING_REDIS_URL"
        for user in ("", ":wrong-battery@"):
            monkeypatch.setenv(variable, server.url.replace("//", f"//{user}"))
            with pytest.raises(UsageError, match=f"mend user and password in {variable}") as told:
                RedisSearch().open(Path(), "notes").active()
            assert "battery" not in str(told.value)
        monkeypatch.setenv(variable, server.url.replace("//", "//:right-horse@"))
        assert RedisSearch().open(Path(), "notes").active() is None


def test_a_real_server_without_the_search_module_is_refused_before_anything_is_written() -> None:
    with redis_server() as server:
        store = RedisSearch(url=server.url).open(Path(), "notes")
        with pytest.raises(UsageError, match="Redis 8"), store.write(manifest()):
            pass


def test_a_server_that_throws_keys_away_is_refused() -> None:
    with stand_in(policy="allkeys-lru") as server:
        store = RedisSearch(url=server.url).open(Path(), "notes")
        with pytest.raises(UsageError, match="maxmemory-policy allkeys-lru"), store.write(manifest()):
            pass


def test_another_dimension_or_model_is_refused() -> None:
    with stand_in() as server:
        spec = RedisSearch(url=server.url)
        with spec.open(Path(), "notes").write(manifest()):
            pass
        for other in (manifest(dimension=3), manifest(digest="d2")):
            with pytest.raises(UsageError, match="v1"), spec.open(Path(), "notes").write(other):
                pass


def test_rows_that_share_a_place_come_once_each_over_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_keys, "PAGE", 5)
    for module in (redis_keys, redis_rows):
        monkeypatch.setattr(module, "place_of", lambda key: int(key[0], 16) // 4)
    with stand_in() as server:
        store = RedisSearch(url=server.url).open(Path(), "notes")
        points = [point(number) for number in range(12)]
        with store.write(manifest()) as index:
            index.upsert(points)
            monkeypatch.setattr(redis_keys, "PAGE", 8)
            assert sorted(index.ids()) == sorted(one.id for one in points)


@pytest.mark.parametrize("graph", [False, True])
def test_a_search_with_a_range_that_redis_cannot_say_is_right(graph: bool) -> None:
    with stand_in() as server:
        store = RedisSearch(url=server.url, graph=graph).open(Path(), "notes")
        with store.write(manifest()) as index:
            index.upsert([point(number, week=number) for number in range(200)])
            late = Range(field="metadata.week", gte=190)
            hits = index.search_dense(array("f", (1.0, 0.0, 0.0, 0.0)), 3, late)
            assert [hit.id for hit in hits] == [point(number).id for number in (190, 191, 192)]
            assert index.count(late) == 10
            assert len(index.search_sparse(SparseVector((7,), (1.0,)), 20, late)) == 10


def test_hashes_of_somebody_else_are_seen_by_a_writer_only_and_can_be_deleted() -> None:
    with stand_in() as server:
        store = RedisSearch(url=server.url).open(Path(), "notes")
        with store.write(manifest()) as index:
            index.upsert([point(1)])
            table = next(iter(server.indices))
            server.hashes[f"{table}:foreign".encode()] = {b"payload": b"{}"}
            assert set(index.ids()) == {point(1).id, "foreign"}
            assert index.count() == 1
            index.delete(["foreign"])
            assert list(index.ids()) == [point(1).id]


def test_a_store_without_its_extra_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RedisSearch, "package", "not_there_at_all")
    with pytest.raises(UsageError, match="poetry install --extras redis"):
        RedisSearch(url="redis://host").check()

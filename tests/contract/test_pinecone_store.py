"""Pinecone as a store: what concerns the service, beyond the contract that every store has."""

import socket
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import pytest
from pinecone_stand_in import stand_in

from llm_engineering.domain.chunks import Point, SparseVector
from llm_engineering.domain.conditions import Not, Range
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.indexes import IndexManifest, ModelCard
from llm_engineering.domain.ports import VectorStore
from llm_engineering.infrastructure.vector_stores import Pinecone
from llm_engineering.infrastructure.vector_stores.pinecone import server as pinecone_server

KEY = "LLM_ENGINEERING_PINECONE_API_KEY"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "pc-stand-in")
    monkeypatch.setattr(pinecone_server, "PAUSE", 0.002)


@pytest.fixture
def opened() -> Iterator[Callable[..., VectorStore]]:
    """Open stores, and close them at the end."""
    with ExitStack() as stack:

        def open_one(url: str, collection: str = "notes", **settings: float) -> VectorStore:
            store = Pinecone.model_validate({"url": url, **settings}).open(Path(), collection)
            stack.callback(store.close)
            return store

        yield open_one


def manifest(dimension: int = 4, digest: str = "d1") -> IndexManifest:
    card = ModelCard(name="tiny", digest=digest, dimension=dimension, max_tokens=16)
    return IndexManifest(version="v1", fingerprint="f1", model=card, payload_indexes=())


def point(number: int, **metadata: object) -> Point:
    dense = array("f", (1.0, number / 10, 0.0, 0.0))
    payload = {"uri": str(number), "source": "notes", "document_id": str(number), "metadata": metadata}
    return Point(str(uuid5(NAMESPACE_URL, str(number))), dense, SparseVector((7,), (1.0,)), payload)


def test_an_index_that_is_not_there_or_says_nothing_is_told_within_seconds(opened: Callable[..., VectorStore]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for port in (silent.getsockname()[1], 1):
            started = time.monotonic()
            with pytest.raises(BackendError, match="cannot be used") as told:
                opened(f"http://127.0.0.1:{port}").active()
            assert told.value.transient
            assert time.monotonic() - started < 5 + 5  # and some grace for a busy machine


def test_a_wrong_key_is_refused_and_never_shown_and_none_is_told(
    monkeypatch: pytest.MonkeyPatch, opened: Callable[..., VectorStore]
) -> None:
    with stand_in() as server:
        monkeypatch.setenv(KEY, "pc-wrong-battery")
        with pytest.raises(UsageError, match=f"mend the key in {KEY}") as told:
            opened(server.url).active()
        assert "battery" not in str(told.value)
        monkeypatch.delenv(KEY)
        with pytest.raises(UsageError, match=f"set {KEY}"):
            Pinecone(url=server.url).check()


@pytest.mark.parametrize("lag", [1, 5])
def test_what_was_written_is_waited_for_however_late_it_is_shown(lag: int, opened: Callable[..., VectorStore]) -> None:
    with stand_in(lag=lag) as server:
        store = opened(server.url)
        with store.write(manifest()) as index:
            index.upsert([point(1), point(2)])
            assert index.count() == 2
            index.delete([point(1).id])
            assert index.count() == 1
        store.publish("v1")
        with store.read() as reader:
            assert list(reader.ids()) == [point(2).id]


def test_a_write_that_is_never_shown_is_an_error(opened: Callable[..., VectorStore]) -> None:
    with stand_in(lag=10_000) as server:
        store = opened(server.url, patience_seconds=0.2)
        with pytest.raises(BackendError, match="does not show what was written"), store.write(manifest()):
            pass


def test_where_answers_do_not_say_what_they_have_seen_a_while_is_waited(opened: Callable[..., VectorStore]) -> None:
    with stand_in(says_positions=False, lag=1) as server:
        store = opened(server.url, settle_seconds=0.01)
        with store.write(manifest()) as index:
            index.upsert([point(1)])
            assert index.count() == 1


def test_another_dimension_model_or_metric_is_refused(opened: Callable[..., VectorStore]) -> None:
    with stand_in() as server:
        with (
            pytest.raises(UsageError, match="holds vectors of 4 components, and the model makes 3"),
            opened(server.url).write(manifest(dimension=3)),
        ):
            pass
        with opened(server.url, "others").write(manifest()):
            pass
        with pytest.raises(UsageError, match="v1"), opened(server.url, "others").write(manifest(digest="d2")):
            pass
        server.metric = "dotproduct"
        with pytest.raises(UsageError, match="metric cosine"), opened(server.url).write(manifest()):
            pass


def test_a_search_for_words_is_refused(opened: Callable[..., VectorStore]) -> None:
    with stand_in() as server:
        store = opened(server.url)
        with store.write(manifest()) as index, pytest.raises(UsageError, match="mode: dense"):
            index.search_sparse(SparseVector((7,), (1.0,)), 5)
        assert not Pinecone(url=server.url).has_sparse


def test_many_rows_go_through_pages_and_a_range_is_decided_here(opened: Callable[..., VectorStore]) -> None:
    with stand_in() as server:
        store = opened(server.url)
        with store.write(manifest()) as index:
            index.upsert([point(number, week=number) for number in range(250)])
            late = Range(field="metadata.week", gte=240)
            hits = index.search_dense(array("f", (1.0, 0.0, 0.0, 0.0)), 3, late)
            assert [hit.id for hit in hits] == [point(number).id for number in (240, 241, 242)]
            assert index.count(late) == 10
            assert index.count(Not(condition=late)) == 240
            index.delete([point(number).id for number in range(249)])
            assert list(index.ids()) == [point(249).id]


def test_a_store_without_its_extra_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pinecone, "package", "not_there_at_all")
    with pytest.raises(UsageError, match="poetry install --extras pinecone"):
        Pinecone(url="https://host").check()

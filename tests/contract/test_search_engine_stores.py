"""Elasticsearch and OpenSearch as stores: what concerns servers, beyond the contract that every store has."""

import logging
import socket
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import pytest
from loguru import logger
from lucene_in_memory import Refusal
from lucene_stand_in import StandIn, stand_in

from llm_engineering.domain.chunks import Point, SparseVector
from llm_engineering.domain.conditions import Condition, Eq, Not, Range
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.indexes import IndexManifest, ModelCard
from llm_engineering.infrastructure.vector_stores import Elasticsearch, OpenSearch
from llm_engineering.infrastructure.vector_stores.lucene import engine as lucene_engine
from llm_engineering.infrastructure.vector_stores.lucene.spec import LuceneSpec

KINDS: dict[str, type[LuceneSpec]] = {"elasticsearch": Elasticsearch, "opensearch": OpenSearch}


def manifest(dimension: int = 4, digest: str = "d1") -> IndexManifest:
    card = ModelCard(name="tiny", digest=digest, dimension=dimension, max_tokens=16)
    return IndexManifest(version="v1", fingerprint="f1", model=card, payload_indexes=())


def point(number: int, **metadata: object) -> Point:
    dense = array("f", (1.0, number / 10, 0.0, 0.0))
    payload = {"uri": str(number), "source": "notes", "document_id": str(number), "metadata": metadata}
    return Point(str(uuid5(NAMESPACE_URL, str(number))), dense, SparseVector((7, number + 10), (1.0, 1.0)), payload)


@pytest.fixture(params=list(KINDS))
def server(request: pytest.FixtureRequest) -> Iterator[StandIn]:
    with stand_in(request.param) as server:
        yield server


def spec_for(server: StandIn, **settings: object) -> LuceneSpec:
    return KINDS[server.product].model_validate({"url": server.url, **settings})


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_a_server_that_is_not_there_is_told_within_seconds(kind: type[LuceneSpec]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(BackendError, match="cannot be used") as told:
        kind(url=f"http://127.0.0.1:{port}").open(Path(), "notes").active()
    assert told.value.transient
    assert time.monotonic() - started < 5 + 5  # and some grace for a busy machine


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_a_server_that_takes_the_connection_and_says_nothing_is_told_within_seconds(kind: type[LuceneSpec]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with pytest.raises(BackendError, match="no answer in time"):
            kind(url=f"http://127.0.0.1:{silent.getsockname()[1]}").open(Path(), "notes").active()
        assert time.monotonic() - started < 5 + 5  # and some grace for a busy machine


@pytest.mark.parametrize("url", ["", "localhost:9200", "ftp://host", "https://", "http://host:port"])
@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_an_address_that_is_none_is_refused_with_an_example(kind: type[LuceneSpec], url: str) -> None:
    with pytest.raises(UsageError, match=r"https://user:\$\{env:PASSWORD\}@host:9200"):
        kind(url=url).open(Path(), "notes")


def test_the_other_product_is_refused_by_name() -> None:
    with stand_in("opensearch") as server, pytest.raises(UsageError, match="kind: opensearch"):
        Elasticsearch(url=server.url).open(Path(), "notes").active()
    with stand_in("elasticsearch") as server, pytest.raises(UsageError, match="kind: elasticsearch"):
        OpenSearch(url=server.url).open(Path(), "notes").active()


def test_a_wrong_password_is_refused_at_once_and_never_shown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, server: StandIn
) -> None:
    server.user = ("writer", "right horse")
    variable = f"LLM_ENGINEERING_{server.product.upper()}_URL"
    lines: list[str] = []
    sink = logger.add(lines.append, level=0)
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(variable, server.url.replace("//", "//writer:wrong%20battery@"))
    with pytest.raises(UsageError, match=f"mend user and password in {variable}") as told:
        KINDS[server.product]().open(Path(), "notes").active()
    monkeypatch.setenv(variable, server.url.replace("//", "//writer:right%20horse@"))
    assert KINDS[server.product]().open(Path(), "notes").active() is None
    logger.remove(sink)
    shown = "".join([str(told.value), caplog.text, *lines])
    assert "battery" not in shown
    assert "horse" not in shown


def test_an_api_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with stand_in("elasticsearch", api_key="bm90IGEgcmVhbCBrZXk=") as server:
        with pytest.raises(UsageError, match="password"):
            Elasticsearch(url=server.url).open(Path(), "notes").active()
        monkeypatch.setenv("LLM_ENGINEERING_ELASTICSEARCH_API_KEY", "bm90IGEgcmVhbCBrZXk=")
        assert Elasticsearch(url=server.url).open(Path(), "notes").active() is None


def test_a_password_in_the_yaml_is_refused() -> None:
    with pytest.raises(ValueError, match="url holds a secret"):
        Elasticsearch(url="https://me:hunter22@host:9200")


def test_a_document_that_was_refused_fails_the_write_and_names_its_reason(server: StandIn) -> None:
    store = spec_for(server).open(Path(), "notes")
    second = point(2).id
    server.refuse_items = lambda key: (400, "document_parsing_exception") if key.startswith(second) else None
    with store.write(manifest()) as index:
        with pytest.raises(BackendError, match=r"1 of 3 documents.*document_parsing_exception"):
            index.upsert([point(1), point(2), point(3)])
        server.refuse_items = lambda key: None
        index.upsert([point(1), point(2), point(3)])
        assert index.count() == 3


def test_documents_that_an_overloaded_server_left_out_are_sent_again(server: StandIn) -> None:
    store = spec_for(server).open(Path(), "notes")
    left = ["es_rejected_execution_exception"]
    server.refuse_items = lambda key: (429, left.pop()) if left else None
    with store.write(manifest()) as index:
        index.upsert([point(1), point(2)])
        assert index.count() == 2


def test_a_shard_that_is_away_is_no_shorter_answer(server: StandIn) -> None:
    store = spec_for(server, patience_seconds=0).open(Path(), "notes")
    with store.write(manifest()) as index:
        index.upsert([point(1)])
        assert index.count() == 1
        partial = {"hits": {"hits": [], "total": {"value": 0}}, "_shards": {"total": 2, "failed": 1}}
        server.answer_next = [(200, partial)]
        with pytest.raises(BackendError, match="1 of 2 shards"):
            index.count()


def test_a_server_that_is_overloaded_for_a_moment_is_asked_again(server: StandIn) -> None:
    store = spec_for(server).open(Path(), "notes")
    with store.write(manifest()) as index:
        index.upsert([point(1)])
        server.answer_next = [(503, Refusal(503, "unavailable_shards_exception", "moving").body)]
        assert index.count() == 1


def test_another_dimension_or_model_is_refused(server: StandIn) -> None:
    with spec_for(server).open(Path(), "notes").write(manifest()):
        pass
    for other in (manifest(dimension=3), manifest(digest="d2")):
        with pytest.raises(UsageError, match="v1"), spec_for(server).open(Path(), "notes").write(other):
            pass
    # What somebody else made under the name of ours.
    table = next(name for name in server.indices if "_v1_" in name)
    server.indices[table].mappings["properties"]["dense"] |= {"dims": 8, "dimension": 8}
    with (
        pytest.raises(UsageError, match="holds vectors of 8 components, and the model makes 4"),
        spec_for(server).open(Path(), "notes").write(manifest()),
    ):
        pass


def test_above_the_threshold_hnsw_is_asked_and_finds_the_same(server: StandIn) -> None:
    points = [point(number) for number in range(50)]
    found = []
    for exact_up_to in (10_000, 10):
        store = spec_for(server, exact_up_to=exact_up_to).open(Path(), "notes")
        with store.write(manifest()) as index:
            index.upsert(points)
            hits = index.search_dense(array("f", (1.0, 0.31, 0.0, 0.0)), 5)
            assert hits[0].score == pytest.approx(1.0, abs=1e-3)
            found.append([hit.id for hit in hits])
    assert found[0] == found[1]


def test_what_was_never_refreshed_is_found_by_the_writer_and_after_flush_by_others(server: StandIn) -> None:
    store, other = (spec_for(server).open(Path(), "notes") for _ in range(2))
    with store.write(manifest()) as index:
        index.upsert([point(1)])
        assert index.count() == 1
        index.upsert([point(2)])
        index.flush()
        assert other.unpublished("v1")
    store.publish("v1")
    with other.read() as reader:
        assert reader.count() == 2


def test_more_rows_than_one_request_removes_are_removed(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lucene_engine, "MOST_HITS", 100)
    store = spec_for(server).open(Path(), "notes")
    with store.write(manifest()) as index:
        index.upsert([point(at) for at in range(250)])
        index.delete([point(at).id for at in range(249)])
        assert list(index.ids()) == [point(249).id]


def test_more_hits_than_a_server_gives_are_found_all_the_same(server: StandIn) -> None:
    store = spec_for(server).open(Path(), "notes")
    with store.write(manifest()) as index:
        index.upsert([point(at) for at in range(3)])
        hits = index.search_dense(array("f", (1.0, 0.0, 0.0, 0.0)), 10_001)
        assert [hit.id for hit in hits] == [point(at).id for at in range(3)]
        assert len(index.search_sparse(SparseVector((7,), (1.0,)), 10_001)) == 3


def test_documents_of_somebody_else_are_seen_by_a_writer_only_and_can_be_deleted(server: StandIn) -> None:
    store = spec_for(server).open(Path(), "notes")
    with store.write(manifest()) as index:
        index.upsert([point(1)])
        table = next(name for name in server.indices if "_v1_" in name)
        server.indices[table].put("foreign", {"payload": "{}"})
        index.flush()
        assert set(index.ids()) == {point(1).id, "foreign"}
        assert index.count() == 1
        index.delete(["foreign"])
        assert list(index.ids()) == [point(1).id]


@pytest.mark.parametrize("bound", [2.0**53, 1e300, -(2.0**60), 0.5])
def test_numbers_that_the_server_rounds_are_compared_exactly(server: StandIn, bound: float) -> None:
    values = [2**53 - 1, 2**53, 2**53 + 1, 10**300, 10**400, -(2**60) - 1, -(10**400), 0.25, True, "1"]
    store = spec_for(server).open(Path(), "notes")
    with store.write(manifest()) as index:
        index.upsert([point(at, value=value) for at, value in enumerate(values)])
        numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
        condition = Range(field="metadata.value", gt=bound)
        assert index.count(condition) == sum(value > bound for value in numbers)


def test_conditions_deeper_than_a_server_takes_are_decided_here(server: StandIn) -> None:
    deep: Condition = Eq(field="source", value="notes")
    for _ in range(21):
        deep = Not(condition=deep)
    store = spec_for(server).open(Path(), "notes")
    with store.write(manifest()) as index:
        index.upsert([point(1)])
        assert index.count(deep) == 0
        assert index.count(Not(condition=deep)) == 1
        assert [hit.id for hit in index.search_dense(array("f", (1, 0, 0, 0)), 3, Not(condition=deep))] == [point(1).id]


def test_a_store_without_its_extra_says_what_to_type(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KINDS[server.product], "package", "not_there_at_all")
    with pytest.raises(UsageError, match=f"poetry install --extras {server.product}"):
        spec_for(server).check()


def test_certificates_that_are_not_there_are_told_at_the_door(server: StandIn) -> None:
    spec = spec_for(server, ca_certs="/nowhere/ca.crt")
    for attempt in (spec.check, lambda: spec.open(Path(), "notes")):
        with pytest.raises(UsageError, match=r"no file '/nowhere/ca.crt'"):
            attempt()

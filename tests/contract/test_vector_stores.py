"""The contract of every vector store, then what concerns processes and files and so only the embedded one."""

import ctypes
import dataclasses
import json
import math
import mmap
import os
import random
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import NAMESPACE_URL, uuid4, uuid5

import pytest
from clickhouse_stand_in import new_clickhouse
from postgresql_server import new_database
from qdrant_client import QdrantClient
from qdrant_stand_in import stand_in
from remote_stores import ON_REAL_SERVERS, STAND_INS, opened, skip_words
from vectors import cosine

from llm_engineering.domain.chunks import Point, SparseVector, point_digest
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.indexes import IndexManifest, ModelCard
from llm_engineering.domain.ports import VectorIndex, VectorStore
from llm_engineering.infrastructure.vector_stores import (
    Chroma,
    Clickhouse,
    Faiss,
    Lancedb,
    Memory,
    Pgvector,
    Qdrant,
    QdrantEdge,
)
from llm_engineering.infrastructure.vector_stores.qdrant_edge import ahead
from llm_engineering.infrastructure.vector_stores.qdrant_edge.ahead import Ahead
from llm_engineering.infrastructure.vector_stores.qdrant_edge.index import EdgeIndex

DIMENSION = 4


def manifest(
    version: str = "v1", fingerprint: str = "f1", fields: tuple[str, ...] = ("metadata.course",)
) -> IndexManifest:
    card = ModelCard(name="tiny", digest="d1", dimension=DIMENSION, max_tokens=16)
    return IndexManifest(version=version, fingerprint=fingerprint, model=card, payload_indexes=fields)


def point_id(name: object) -> str:
    return str(uuid5(NAMESPACE_URL, str(name)))


def point(
    name: object,
    dense: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0),
    sparse: dict[int, float] | None = None,
    **metadata: object,
) -> Point:
    terms = sparse or {}
    return Point(
        id=point_id(name),
        dense=array("f", dense),
        sparse=SparseVector(tuple(sorted(terms)), tuple(terms[index] for index in sorted(terms))),
        payload={"uri": f"file:///{name}", "source": "notes", "document_id": str(name), "metadata": metadata},
    )


def vector(*components: float) -> "array[float]":
    return array("f", components)


# Before each test, tests/conftest.py takes these out of the environment.
SERVER = {name: value for name, value in os.environ.items() if name.startswith("LLM_ENGINEERING_QDRANT_")}


@pytest.fixture
def stood_in() -> Iterator[VectorStore]:
    """The client of a Qdrant server on a stand-in for one."""
    with stand_in() as server:
        opened = Qdrant(url=server.url).open(Path(), "notes")
        yield opened
        opened.close()


@pytest.fixture
def on_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[VectorStore]:
    """A collection of its own on a real Qdrant server."""
    if not SERVER.get("LLM_ENGINEERING_QDRANT_URL"):
        pytest.skip("needs a Qdrant server in LLM_ENGINEERING_QDRANT_URL")
    for name, value in SERVER.items():
        monkeypatch.setenv(name, value)
    opened = Qdrant().open(Path(), f"contract-{uuid4().hex[:12]}")
    yield opened
    opened.close()
    client = QdrantClient(
        url=SERVER["LLM_ENGINEERING_QDRANT_URL"], api_key=SERVER.get("LLM_ENGINEERING_QDRANT_API_KEY")
    )
    for collection in client.get_collections().collections:
        if collection.name.startswith(f"{opened.collection}__"):
            client.delete_collection(collection.name)  # its alias goes with it
    client.close()


@pytest.fixture
def in_postgresql(pgvector_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[VectorStore]:
    """A database of its own on a real PostgreSQL with pgvector."""
    monkeypatch.setenv("LLM_ENGINEERING_PGVECTOR_URL", new_database(pgvector_server).replace("+psycopg", ""))
    opened = Pgvector().open(Path(), "notes")
    yield opened
    opened.close()


@pytest.fixture
def on_chroma(chroma_url: str) -> Iterator[VectorStore]:
    """A collection of its own on a real server of Chroma."""
    opened = Chroma(url=chroma_url).open(Path(), f"contract-{uuid4().hex[:12]}")
    yield opened
    opened.close()


@pytest.fixture
def on_clickhouse(clickhouse_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[VectorStore]:
    """A database of its own in ClickHouse's engine, behind a stand-in for its server."""
    monkeypatch.setenv("LLM_ENGINEERING_CLICKHOUSE_URL", new_clickhouse(clickhouse_server))
    opened = Clickhouse().open(Path(), "notes")
    yield opened
    opened.close()


EMBEDDED: dict[str, type[QdrantEdge | Memory | Faiss | Lancedb | Chroma]] = {
    "qdrant_edge": QdrantEdge,
    "memory": Memory,
    "faiss": Faiss,
    "lancedb": Lancedb,
}
FIXTURES = {
    "chroma server": "on_chroma",
    "clickhouse": "on_clickhouse",
    "stand-in": "stood_in",
    "qdrant server": "on_server",
    "pgvector": "in_postgresql",
}
# Its engine is that of the embedded one.
CHROMA_SERVER = pytest.param("chroma server", marks=pytest.mark.slow)
ON_A_SERVER = pytest.param("qdrant server", marks=pytest.mark.qdrant_server)


@pytest.fixture(
    params=[*EMBEDDED, "stand-in", ON_A_SERVER, "pgvector", CHROMA_SERVER, "clickhouse", *STAND_INS, *ON_REAL_SERVERS]
)
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VectorStore]:
    if request.param in FIXTURES:
        yield request.getfixturevalue(FIXTURES[request.param])
        return
    if request.param not in EMBEDDED:
        skip_words(request)
        with opened(request.param, monkeypatch) as remote:
            yield remote
        return
    embedded = EMBEDDED[request.param]().open(tmp_path, "notes")
    yield embedded
    embedded.close()


@pytest.fixture
def index(store: VectorStore) -> Iterator[VectorIndex]:
    with store.write(manifest()) as opened:
        yield opened


# Writing and looking


def test_a_point_comes_back_with_vectors_and_payload(index: VectorIndex) -> None:
    written = point("a", (0.6, 0.0, 0.8, 0.0), {3: 1.5, 4_294_967_295: 2.0}, course="ml", week=3, score=2.5, done=True)
    index.upsert([written])
    stored = index.get([written.id])[written.id]
    assert stored.payload == written.payload
    assert list(stored.dense) == pytest.approx([0.6, 0.0, 0.8, 0.0])
    assert stored.dense.typecode == "f"
    assert stored.sparse == written.sparse


def test_writing_a_point_again_replaces_it(index: VectorIndex) -> None:
    index.upsert([point("a", sparse={1: 1.0}, course="ml")])
    index.upsert([point("a", (0.0, 1.0, 0.0, 0.0), {2: 1.0}, course="de")])
    assert index.count() == 1
    assert index.get([point_id("a")])[point_id("a")].payload["metadata"] == {"course": "de"}
    assert index.search_sparse(SparseVector((1,), (1.0,)), 5) == []
    assert index.search_dense(vector(0, 1, 0, 0), 1)[0].score == pytest.approx(1.0)


def test_of_two_points_with_one_id_in_a_batch_the_last_one_stays(index: VectorIndex) -> None:
    index.upsert([point("a", course="first"), point("a", course="last")])
    assert index.count() == 1
    assert index.count({"metadata.course": "last"}) == 1


def test_deleting_removes_from_every_search_and_ignores_unknown_ids(index: VectorIndex) -> None:
    index.upsert([point("a", sparse={1: 1.0}), point("b", sparse={1: 1.0})])
    index.delete([point_id("a"), point_id("never written"), "not a uuid"])
    index.delete([])
    assert list(index.ids()) == [point_id("b")]
    assert [hit.id for hit in index.search_dense(vector(1, 0, 0, 0), 5)] == [point_id("b")]
    assert [hit.id for hit in index.search_sparse(SparseVector((1,), (1.0,)), 5)] == [point_id("b")]


def test_ids_iterates_over_more_points_than_a_page(index: VectorIndex) -> None:
    names = range(2_500)
    index.upsert([point(name) for name in names])
    listed = list(index.ids())
    assert len(listed) == 2_500
    assert set(listed) == {point_id(name) for name in names}


def test_get_returns_only_what_exists(index: VectorIndex) -> None:
    index.upsert([point("a")])
    assert set(index.get([point_id("a"), point_id("b"), "not a uuid"])) == {point_id("a")}
    assert index.get([]) == {}


def test_an_empty_index_answers(index: VectorIndex) -> None:
    assert index.count() == 0
    assert list(index.ids()) == []
    assert index.search_dense(vector(1, 0, 0, 0), 5) == []
    assert index.search_sparse(SparseVector((1,), (1.0,)), 5) == []


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (Point(point_id("x"), vector(1, 0), SparseVector((), ()), {}), "2 components"),
        (Point(point_id("x"), vector(), SparseVector((), ()), {}), "0 components"),
        (Point(point_id("x"), vector(0, 0, 0, 0), SparseVector((), ()), {}), "zero"),
        (Point(point_id("x"), vector(math.nan, 0, 0, 1), SparseVector((), ()), {}), "NaN"),
        (Point(point_id("x"), vector(math.inf, 0, 0, 1), SparseVector((), ()), {}), "infinity"),
        (Point("chunk-1", vector(1, 0, 0, 0), SparseVector((), ()), {}), "UUID"),
        (Point(point_id("x"), vector(1, 0, 0, 0), SparseVector((1, 2), (1.0,)), {}), "2 indices and 1 values"),
        (Point(point_id("x"), vector(1, 0, 0, 0), SparseVector((2, 1), (1.0, 1.0)), {}), "ascending"),
        (Point(point_id("x"), vector(1, 0, 0, 0), SparseVector((1, 1), (1.0, 1.0)), {}), "unique"),
        (Point(point_id("x"), vector(1, 0, 0, 0), SparseVector((2**32,), (1.0,)), {}), "outside"),
        (Point(point_id("x"), vector(1, 0, 0, 0), SparseVector((1,), (math.nan,)), {}), "NaN"),
    ],
)
def test_a_point_that_could_not_be_found_again_is_refused_and_nothing_is_written(
    index: VectorIndex, bad: Point, says: str
) -> None:
    with pytest.raises(BackendError, match=says):
        index.upsert([point("good"), bad])
    assert index.count() == 0


def test_a_query_that_does_not_fit_is_refused(index: VectorIndex) -> None:
    index.upsert([point("a")])
    for query in (vector(1, 0), vector(0, 0, 0, 0), vector(math.nan, 0, 0, 0)):
        with pytest.raises(BackendError, match="the query"):
            index.search_dense(query, 5)
    with pytest.raises(BackendError, match="the query"):
        index.search_sparse(SparseVector((1, 2), (1.0,)), 5)


# Searching


def test_dense_search_orders_by_cosine(index: VectorIndex) -> None:
    index.upsert([point("far", (0, 1, 0, 0)), point("near", (0.8, 0.6, 0, 0)), point("same", (1, 0, 0, 0))])
    hits = index.search_dense(vector(2, 0, 0, 0), 2)
    assert [hit.id for hit in hits] == [point_id("same"), point_id("near")]
    assert [hit.score for hit in hits] == pytest.approx([1.0, 0.8], abs=1e-6)
    assert hits[0].payload["uri"] == "file:///same"


def test_sparse_search_weighs_by_inverse_document_frequency(index: VectorIndex) -> None:
    index.upsert(
        [point("a", sparse={1: 1.0, 2: 1.0}), point("b", sparse={1: 2.0}), point("c", sparse={3: 1.0}), point("none")]
    )
    hits = index.search_sparse(SparseVector((1, 2), (1.0, 1.0)), 10)
    common, rare = (math.log(1 + (3 - holders + 0.5) / (holders + 0.5)) for holders in (2, 1))
    assert {hit.id: hit.score for hit in hits} == pytest.approx(
        {point_id("a"): common + rare, point_id("b"): 2 * common}, abs=1e-5
    )
    assert [hit.id for hit in hits] == [point_id("a"), point_id("b")]


def test_a_sparse_query_without_terms_or_overlap_finds_nothing(index: VectorIndex) -> None:
    index.upsert([point("a", sparse={1: 1.0})])
    assert index.search_sparse(SparseVector((), ()), 5) == []
    assert index.search_sparse(SparseVector((9,), (1.0,)), 5) == []


VALUES = {
    "text 3": "3", "three": 3, "three point zero": 3.0, "half": 2.5, "yes": True, "text true": "true", "one": 1,
    "no": False, "zero": 0, "huge": 2**60 + 1, "huge neighbour": 2**60 + 2, "Ünï code": "Straße", "empty": "",
}  # fmt: skip


MEANT: list[tuple[str | float, set[str]]] = [
    (3, {"three", "three point zero"}),
    ("3", {"text 3", "three", "three point zero"}),
    (2.5, {"half"}),
    ("2.5", {"half"}),
    (True, {"yes"}),
    ("True", {"yes"}),
    ("true", {"yes", "text true"}),
    (1, {"one"}),
    (False, {"no"}),
    (0, {"zero"}),
    (2**60 + 1, {"huge"}),
    ("Straße", {"Ünï code"}),
    ("strasse", set()),
    ("", {"empty"}),
    ("9" * 400, set()),
]


@pytest.mark.parametrize("fields", [(), ("metadata.value",)], ids=["plain", "indexed"])
@pytest.mark.parametrize("first", ["text 3", "three", "yes"])
def test_a_filter_compares_by_type_and_a_text_also_means_what_it_spells(
    store: VectorStore, fields: tuple[str, ...], first: str
) -> None:
    """The first value decides the kind of the payload index, and no kind may change an answer."""
    with store.write(manifest(fields=fields)) as index:
        index.upsert([point(first, value=VALUES[first])])
        index.upsert([point(name, value=value) for name, value in VALUES.items()])
        for wanted, found in MEANT:
            hits = index.search_dense(vector(1, 0, 0, 0), 50, {"metadata.value": wanted})
            assert {hit.id for hit in hits} == {point_id(name) for name in found}, wanted
            assert index.count({"metadata.value": wanted}) == len(found), wanted


def test_conditions_of_a_filter_must_all_hold(index: VectorIndex) -> None:
    index.upsert([point("a", sparse={1: 1.0}, course="ml", week=1), point("b", sparse={1: 1.0}, course="ml", week=2)])
    both = {"metadata.course": "ml", "metadata.week": 2}
    assert [hit.id for hit in index.search_sparse(SparseVector((1,), (1.0,)), 5, both)] == [point_id("b")]
    assert index.count({"metadata.course": "ml", "source": "elsewhere"}) == 0
    assert index.count({}) == 2


@pytest.mark.parametrize("key", ["a.b", "due date", "x-y", "größe", "list[0]", "1", ""])
def test_a_metadata_key_may_be_any_text(index: VectorIndex, key: str) -> None:
    index.upsert([point("a", **{key: "yes"}), point("b", other="yes")])
    assert index.count({f"metadata.{key}": "yes"}) == 1


def test_payload_indexes_exist_for_fields_with_and_without_values(store: VectorStore) -> None:
    fields = ("metadata.course", "metadata.due date", "metadata.never seen")
    with store.write(manifest(fields=fields)) as index:
        index.upsert([point("a", course="ml", **{"due date": 3})])
        index.flush()
        assert set(index.payload_indexes()) == {"uri", "source", "document_id", *fields}
    store.publish("v1")
    with store.read() as reader:
        assert set(reader.payload_indexes()) == {"uri", "source", "document_id", *fields}


# Versions


def test_there_is_nothing_to_read_before_the_first_publication(store: VectorStore) -> None:
    with store.write(manifest()) as index:
        index.upsert([point("a")])
    assert store.active() is None
    with pytest.raises(UsageError, match="no active version"), store.read():
        pass


def test_readers_see_what_was_published_and_keep_it(store: VectorStore) -> None:
    with store.write(manifest()) as index:
        index.upsert([point("a")])
    store.publish("v1")
    with store.read() as before:
        with store.write(manifest()) as index:
            index.upsert([point("b")])
            index.delete([point_id("a")])
            index.flush()
            assert list(before.ids()) == [point_id("a")]
            with store.read() as meanwhile:
                assert list(meanwhile.ids()) == [point_id("a")]
        for _ in range(4):
            store.publish("v1")
        assert list(before.ids()) == [point_id("a")]
        assert before.search_dense(vector(1, 0, 0, 0), 1)[0].payload["uri"] == "file:///a"
    with store.read() as after:
        assert list(after.ids()) == [point_id("b")]


def test_publishing_another_version_switches_readers_and_back_again(store: VectorStore) -> None:
    for version in ("v1", "v2"):
        with store.write(manifest(version, fingerprint=version)) as index:
            index.upsert([point(version)])
        store.publish(version)
    active = store.active()
    assert active is not None
    assert active.version == "v2"
    store.publish("v1")
    with store.read() as index:
        assert index.manifest == manifest("v1", fingerprint="v1")
        assert list(index.ids()) == [point_id("v1")]


def test_any_published_version_can_be_read_beside_the_active_one(store: VectorStore) -> None:
    for version in ("v1", "v2"):
        with store.write(manifest(version, fingerprint=version)) as index:
            index.upsert([point(version)])
        store.publish(version)
    with store.write(manifest("v3", fingerprint="v3")):
        pass
    with store.read("v1") as old, store.read("v2") as same, store.read() as active:
        assert list(old.ids()) == [point_id("v1")]
        assert list(same.ids()) == list(active.ids()) == [point_id("v2")]
    for unknown in ("v3", "v4"):
        with pytest.raises(UsageError, match=unknown), store.read(unknown):
            pytest.fail("it was never published")


def test_a_writer_can_publish_what_it_has_flushed(store: VectorStore) -> None:
    with store.write(manifest()) as index:
        index.upsert([point("a")])
        with pytest.raises(BackendError, match="flush"):
            store.publish("v1")
        index.flush()
        store.publish("v1")
        with store.read() as reader:
            assert reader.count() == 1


def test_all_versions_are_known_by_their_manifests(store: VectorStore) -> None:
    assert store.versions() == {}
    for name in ("v1", "v2"):
        with store.write(manifest(name)):
            pass
    assert {name: each.version for name, each in store.versions().items()} == {"v1": "v1", "v2": "v2"}


def test_an_activated_version_is_seen_as_it_was_last_published(store: VectorStore) -> None:
    for name in ("v1", "v2"):
        with store.write(manifest(name)) as index:
            index.upsert([point(name)])
        store.publish(name)
    with store.write(manifest("v1")) as index:
        index.upsert([point("later")])
    with store.read() as held:
        store.activate("v1")
        assert list(held.ids()) == [point_id("v2")]
    with store.read() as index:
        assert index.manifest.version == "v1"
        assert list(index.ids()) == [point_id("v1")]
    assert store.active() == manifest("v1")


def test_a_version_that_was_never_published_cannot_be_activated(store: VectorStore) -> None:
    with store.write(manifest("v1")):
        pass
    with pytest.raises(UsageError, match=r"'v1'.*never published"):
        store.activate("v1")
    with pytest.raises(UsageError, match=r"no version 'v7'.*v1"):
        store.activate("v7")


def test_a_dropped_version_is_gone_and_the_active_one_cannot_be_dropped(store: VectorStore) -> None:
    for name in ("v1", "v2"):
        with store.write(manifest(name)) as index:
            index.upsert([point(name)])
        store.publish(name)
    with pytest.raises(UsageError, match=r"'v2'.*is the active one"):
        store.drop("v2")
    store.drop("v1")
    store.drop("unknown")
    assert list(store.versions()) == ["v2"]
    with pytest.raises(UsageError, match="'v1'"):
        store.activate("v1")
    with store.read() as index:
        assert list(index.ids()) == [point_id("v2")]


def test_a_scan_returns_every_point_whole(store: VectorStore) -> None:
    points = {point_id(str(number)): point(str(number), sparse={number: 0.1}) for number in range(2_100)}
    with store.write(manifest()) as index:
        index.upsert(list(points.values()))
        index.flush()
        scanned = {each.id: each for each in index.scan()}
        assert {name: point_digest(each) for name, each in scanned.items()} == {
            name: point_digest(each) for name, each in points.items()
        }
        assert scanned == index.get(list(points))


def test_an_unknown_version_cannot_be_published(store: VectorStore) -> None:
    with store.write(manifest()):
        pass
    with pytest.raises(UsageError, match="there are: v1"):
        store.publish("v9")


def test_flushed_points_are_there_after_an_error_and_for_the_next_writer(store: VectorStore) -> None:
    def fail_after_flushing() -> None:
        with store.write(manifest()) as index:
            index.upsert([point("a")])
            index.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_flushing()
    with store.write(manifest()) as index:
        assert list(index.ids()) == [point_id("a")]


def test_a_second_writer_is_refused_at_once(store: VectorStore) -> None:
    with store.write(manifest()), pytest.raises(BackendError, match="being written"), store.write(manifest()):
        pass
    with store.write(manifest()):
        pass


def test_a_version_of_another_make_is_not_written_into(store: VectorStore) -> None:
    with store.write(manifest()):
        pass
    with pytest.raises(UsageError, match="fingerprint"), store.write(manifest(fingerprint="f2")):
        pass


def test_a_reader_cannot_write(store: VectorStore) -> None:
    with store.write(manifest()):
        pass
    store.publish("v1")
    attempts: list[Callable[[VectorIndex], None]] = [
        lambda index: index.upsert([point("a")]),
        lambda index: index.delete([point_id("a")]),
        lambda index: index.flush(),
    ]
    with store.read() as index:
        for attempt in attempts:
            with pytest.raises(BackendError, match="opened for reading"):
                attempt(index)


# The embedded store: processes and files

CHILD = """
import sys
from array import array
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import NAMESPACE_URL, uuid5
from llm_engineering.domain.chunks import Point, SparseVector, point_digest
from llm_engineering.domain.indexes import IndexManifest, ModelCard
from llm_engineering.infrastructure.vector_stores import QdrantEdge

home, role = Path(sys.argv[1]), sys.argv[2]
store = QdrantEdge(search_threads=1).open(home, "notes")
card = ModelCard(name="tiny", digest="d1", dimension=4, max_tokens=16)
manifest = IndexManifest(version="v1", fingerprint="f1", model=card, payload_indexes=("metadata.course",))

def points(start, stop):
    return [
        Point(str(uuid5(NAMESPACE_URL, str(i))), array("f", (1, i, 0, 0)), SparseVector((i % 7,), (1.0,)),
              {"uri": str(i), "source": "child", "document_id": str(i), "metadata": {"number": i}})
        for i in range(start, stop)
    ]

if role == "write for ever":
    with store.write(manifest) as index:
        index.upsert(points(0, 100))
        index.flush()
        print("flushed", flush=True)
        for round in range(1, 10_000):
            index.upsert(points(0, 100 * round))
            print("writing", flush=True)
while role == "read" and not (home / "enough").exists():
    with store.read() as index:
        count = index.count()
        assert len(list(index.ids())) == count
        assert len(index.search_dense(array("f", (1, 0, 0, 0)), 5)) == min(5, count), count
    print("read", flush=True)
"""


def child(home: Path, role: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", CHILD, str(home), role]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def test_a_writer_in_another_process_is_named_and_its_death_frees_the_store(tmp_path: Path) -> None:
    store = QdrantEdge().open(tmp_path, "notes")
    with store.write(manifest()) as index:
        index.upsert([point("published")])
    store.publish("v1")
    with child(tmp_path, "write for ever") as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "flushed\n"
        with pytest.raises(BackendError, match=f"process {writer.pid}") as refused, store.write(manifest()):
            pass
        assert refused.value.transient
        with store.read() as reader:
            assert list(reader.ids()) == [point_id("published")]
        writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
    with store.read() as reader:
        assert list(reader.ids()) == [point_id("published")]
    with store.write(manifest()) as index:
        there = index.get([point_id(number) for number in range(100)])
        assert len(there) == 100
        assert all(found.payload["document_id"] == found.payload["uri"] for found in there.values())
        index.upsert([point("next")])
    store.publish("v1")
    with store.read() as reader:
        assert reader.count({"document_id": "next"}) == 1


def test_readers_in_many_processes_never_fail_while_a_writer_publishes(tmp_path: Path) -> None:
    store = QdrantEdge().open(tmp_path, "notes")
    with store.write(manifest()) as index:
        index.upsert([point(number) for number in range(300)])
    store.publish("v1")
    readers = [child(tmp_path, "read") for _ in range(8)]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "read\n"
    for publications in range(5):
        with store.write(manifest()) as index:
            index.upsert([point(number) for number in range(publications, publications + 50)])
            index.delete([point_id(publications)])
            index.flush()
            store.publish("v1")
    (tmp_path / "enough").touch()
    for reader in readers:
        _, errors = reader.communicate()
        assert reader.returncode == 0, errors
    assert len(list((tmp_path / "feature_store/notes/published").iterdir())) <= 3


def test_old_copies_go_and_a_copy_that_is_read_stays(tmp_path: Path) -> None:
    store = QdrantEdge().open(tmp_path, "notes")
    published = tmp_path / "feature_store/notes/published"
    with store.write(manifest()) as index:
        index.upsert([point("a")])
    store.publish("v1")
    with store.read():
        for _ in range(4):
            store.publish("v1")
        assert {copy.name for copy in published.iterdir()} == {"v1-1", "v1-4", "v1-5"}
    store.publish("v1")
    assert {copy.name for copy in published.iterdir()} == {"v1-5", "v1-6"}


def test_a_published_copy_takes_little_room() -> None:
    # On a disk: a file in memory (tmpfs) gets a page wherever somebody looks at it through a mapping.
    with TemporaryDirectory(dir="/var/tmp" if Path("/var/tmp").is_dir() else None) as name:
        store = QdrantEdge().open(Path(name), "notes")
        with store.write(manifest()) as index:
            index.upsert([point("a", sparse={1: 1.0}, course="ml")])
        store.publish("v1")
        files = [path for path in (Path(name) / "feature_store/notes/published").rglob("*") if path.is_file()]
        assert sum(path.stat().st_blocks * 512 for path in files) < 3_000_000


def test_a_version_that_a_killed_process_left_half_made_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "feature_store/notes/versions/v1/shard/segments").mkdir(parents=True)
    store = QdrantEdge().open(tmp_path, "notes")
    with store.write(manifest()) as index:
        assert index.count() == 0


def remove(path: Path) -> None:
    path.unlink()


def garble(path: Path) -> None:
    path.write_text("{")


@pytest.mark.parametrize("damage", [remove, garble], ids=lambda function: function.__name__)
@pytest.mark.parametrize(
    "part", ["active.0.json", "published/v1-1/manifest.json", "published/v1-1/shard/edge_config.json"]
)
def test_damage_is_reported_with_what_to_do(tmp_path: Path, part: str, damage: Callable[[Path], None]) -> None:
    store = QdrantEdge().open(tmp_path, "notes")
    with store.write(manifest()) as index:
        index.upsert([point("a")])
    store.publish("v1")
    damage(tmp_path / "feature_store/notes" / part)
    if part == "active.0.json" and damage is remove:
        assert store.active() is None
        return
    if part.endswith("edge_config.json") and damage is remove:
        with store.read() as index:  # the engine makes it again from the segments
            assert index.count() == 1
        return
    said = {
        "active.0.json": r"publish again by `python -m tools.index repair`",
        "published/v1-1/manifest.json": r"remove .* run the feature",
    }.get(part, r"built again by the next run; if this repeats, remove that folder")
    with pytest.raises(BackendError, match=said), store.read():
        pass


def test_a_missing_published_folder_is_reported(tmp_path: Path) -> None:
    store = QdrantEdge().open(tmp_path, "notes")
    with store.write(manifest()):
        pass
    store.publish("v1")
    (tmp_path / "feature_store/notes/active.0.json").write_text(json.dumps({"folder": "v1-99"}))
    with pytest.raises(BackendError, match=r"v1-99.*run the feature pipeline"):
        store.active()


@pytest.mark.parametrize("name", ["", "../notes", "a/b", "a b", ".hidden", "x" * 101, "notes.part"])
def test_a_name_that_is_no_folder_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="folder's name"):
        QdrantEdge().open(tmp_path, name)


def test_above_the_threshold_publishing_builds_a_graph_that_finds_the_same(tmp_path: Path) -> None:
    store = QdrantEdge(exact_up_to=1_000).open(tmp_path, "notes")
    points = [point(n, (1.0, math.sin(n), math.cos(n * 0.7), math.sin(n * 1.3)), {n % 5: 1.0}) for n in range(3_000)]
    with store.write(manifest()) as index:
        index.upsert(points)
        index.flush()
        exact = [hit.id for hit in index.search_dense(vector(1, 0.2, 0.4, 0.1), 10)]
        store.publish("v1")
    with store.read() as reader:
        assert reader.count() == 3_000
        assert len(set(exact) & {hit.id for hit in reader.search_dense(vector(1, 0.2, 0.4, 0.1), 10)}) >= 9
        assert len(reader.search_sparse(SparseVector((1,), (1.0,)), 10)) == 10


def resident(path: Path) -> int:
    """Return how many bytes of a file the system has in memory, and its reader has not asked for."""
    size = path.stat().st_size
    if not size:
        return 0
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        pages = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
        start = ctypes.addressof(ctypes.c_char.from_buffer(mapped))
        assert ctypes.CDLL(None).mincore(ctypes.c_void_p(start), ctypes.c_size_t(size), pages) == 0
        return sum(page & 1 for page in pages) * mmap.PAGESIZE


def forget(path: Path) -> None:
    """Have the system forget what it has of a file in memory."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell what they have in memory")
def test_what_searches_will_read_is_read_ahead_unless_it_would_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TemporaryDirectory(dir="/var/tmp" if Path("/var/tmp").is_dir() else None) as name:
        store = QdrantEdge(exact_up_to=1_000).open(Path(name), "notes")
        with store.write(manifest()) as index:
            index.upsert([point(n, (1.0, math.sin(n), math.cos(n), 0.5)) for n in range(3_000)])
        store.publish("v1")
        with store.read() as reader:
            assert isinstance(reader, EdgeIndex)
            files = ahead.files_of(reader._folder)
            assert {path.relative_to(reader._folder).parts[3] for path in files} == set(ahead.READ)
            largest = max(files, key=lambda path: path.stat().st_blocks)
            forget(largest)
            if resident(largest) > largest.stat().st_blocks * 512 // 2:
                pytest.skip("this file system keeps its files in memory")
            monkeypatch.setattr(ahead, "_memory", lambda: 1_000)
            reader.read_ahead()
            reader.close()  # waits for the thread
            assert resident(largest) < largest.stat().st_blocks * 512 // 2
        monkeypatch.undo()
        with store.read() as reader:
            assert isinstance(reader, EdgeIndex)
            forget(largest)
            reader.read_ahead()
            reader.read_ahead()
            end = time.monotonic() + 20
            while resident(largest) < largest.stat().st_blocks * 512 and time.monotonic() < end:
                time.sleep(0.01)
            assert resident(largest) >= largest.stat().st_blocks * 512
    Ahead(tmp_path / "gone").end()


@pytest.mark.parametrize(("made", "opened"), [("int8", "int8"), ("none", "int8"), ("int8", "none")])
def test_a_graph_of_compressed_vectors_is_scored_in_full(tmp_path: Path, made: str, opened: str) -> None:
    settings = {"exact_up_to": 1_000, "quantization": made}
    store, query = QdrantEdge.model_validate(settings).open(tmp_path, "notes"), vector(1, 0.2, 0.4, 0.1)
    chance = random.Random(7)
    dense = {point_id(n): tuple(chance.uniform(-1, 1) for _ in range(DIMENSION)) for n in range(3_000)}
    points = [dataclasses.replace(point(n), dense=array("f", dense[point_id(n)])) for n in range(3_000)]
    with store.write(manifest()) as index:
        index.upsert(points[:900])
        index.flush()
        store.publish("v1")
        assert not list(tmp_path.rglob("quantized*"))  # all of so few are looked at as they are
        index.upsert(points)
        index.flush()
        store.publish("v1")
    assert bool(list(tmp_path.rglob("quantized*"))) == (made == "int8")
    best = sorted(dense, key=lambda name: -cosine(query, dense[name]))[:10]
    again = QdrantEdge.model_validate(settings | {"quantization": opened}).open(tmp_path, "notes")
    for _ in range(2):
        with again.read() as reader:
            found = reader.search_dense(query, 10)
        assert len({hit.id for hit in found} & set(best)) >= 9
        assert [hit.score for hit in found] == pytest.approx([cosine(query, dense[hit.id]) for hit in found], abs=1e-6)
        with again.write(manifest()) as index:  # the next publication converts it
            index.upsert(points[:1])
            index.flush()
            again.publish("v1")
    shard = next((tmp_path / "feature_store/notes/versions").glob("*/shard"))
    assert bool(list(shard.rglob("quantized*"))) == (opened == "int8")


def test_a_writer_of_a_later_run_takes_over_and_the_stale_one_writes_nowhere(tmp_path: Path) -> None:
    old, new = QdrantEdge().open(tmp_path, "notes", run=3), QdrantEdge().open(tmp_path, "notes", run=4)
    refused = r"run 3 may not write to collection 'notes'.*run 4 took it over"
    with old.write(manifest()) as stale:
        stale.upsert([point("before")])
        stale.flush()
        old.publish("v1")
        with new.write(manifest()) as index:
            assert list(index.ids()) == [point_id("before")]
            for write in (
                lambda: stale.upsert([point("late")]),
                lambda: stale.delete([point_id("before")]),
                stale.flush,
            ):
                with pytest.raises(BackendError, match=refused):
                    write()
            index.upsert([point("after")])
            index.flush()
        new.publish("v1")
    for switch in (old.activate, old.publish):
        with pytest.raises(BackendError, match=refused):
            switch("v1")
    with new.read() as index:
        assert sorted(index.ids()) == sorted([point_id("before"), point_id("after")])


def test_a_stale_pointer_that_is_written_late_changes_nothing(tmp_path: Path) -> None:
    old, new = QdrantEdge().open(tmp_path, "notes", run=3), QdrantEdge().open(tmp_path, "notes", run=4)
    for store, name in ((old, "v1"), (new, "v2")):
        with store.write(manifest(name)):
            pass
        store.publish(name)
    (tmp_path / "feature_store/notes/active.3.json").write_text(json.dumps({"folder": "v1-1"}))
    active = old.active()
    assert active is not None
    assert active.version == "v2"


def test_a_writer_without_a_later_run_does_not_take_over(tmp_path: Path) -> None:
    with QdrantEdge().open(tmp_path, "notes", run=3).write(manifest()):
        for run in (0, 3):
            other = QdrantEdge().open(tmp_path, "notes", run=run)
            with pytest.raises(BackendError, match=f"written to by process {os.getpid()}"), other.write(manifest()):
                pass


DIES_AT_WORK = """
import os, signal, sys
from pathlib import Path
from tempfile import TemporaryDirectory
sys.path[:0] = sys.argv[2:]
from test_vector_stores import QdrantEdge, manifest, point
with QdrantEdge().open(Path(sys.argv[1]), "notes").write(manifest()) as index:
    index.upsert([point("a")])
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_index_whose_writer_died_at_work_says_so_once(tmp_path: Path) -> None:
    here = [str(Path(__file__).parents[level]) for level in range(3)]
    died = subprocess.run([sys.executable, "-c", DIES_AT_WORK, str(tmp_path), *here], check=False)
    assert died.returncode == -signal.SIGKILL
    store = QdrantEdge().open(tmp_path, "notes")
    with store.write(manifest()) as index:
        assert index.interrupted
        index.upsert([point("b")])
    with store.write(manifest()) as index:
        assert not index.interrupted


@pytest.mark.parametrize("part", ["manifest.json", "shard/segments/*/segment.json"])
def test_a_working_folder_that_cannot_be_opened_is_built_again(tmp_path: Path, part: str) -> None:
    store = QdrantEdge().open(tmp_path, "notes")
    with store.write(manifest()) as index:
        index.upsert([point("a")])
    for file in (tmp_path / "feature_store/notes/versions/v1").glob(part):
        garble(file)
    with store.write(manifest()) as index:
        assert list(index.ids()) == []
        index.upsert([point("b")])
    with store.write(manifest()) as index:
        assert list(index.ids()) == [point_id("b")]
    assert list(store.versions()) == ["v1"]


# Erasure


def test_purging_removes_documents_from_all_versions_as_readers_see_them(store: VectorStore) -> None:
    for version, fingerprint in (("v1", "f1"), ("v2", "f2")):
        with store.write(manifest(version, fingerprint)) as index:
            index.upsert([point("a", sparse={1: 1.0}, course="ml"), point("b", sparse={1: 1.0}, course="de")])
        store.publish(version)
    assert store.purge(["a", "unknown"]) == 2
    assert store.purge(["a"]) == 0
    assert store.active() == manifest("v2", "f2")
    for version in ("v2", "v1"):
        store.activate(version)
        assert not store.unpublished(version)
        with store.read() as index:
            assert list(index.ids()) == [point_id("b")]
            assert index.count({"metadata.course": "de"}) == 1
            assert index.search_sparse(SparseVector((1,), (1.0,)), 5)[0].id == point_id("b")
            assert set(index.payload_indexes()) >= {"uri", "source", "document_id", "metadata.course"}
    with store.write(manifest("v1")) as index:
        assert list(index.ids()) == [point_id("b")]
        assert not index.interrupted


def test_purging_publishes_nothing(store: VectorStore) -> None:
    with store.write(manifest()) as index:
        index.upsert([point("a"), point("b")])
    store.publish("v1")
    with store.write(manifest()) as index:
        index.upsert([point("c")])
    with store.write(manifest("v2", "f2")) as index:
        index.upsert([point("a")])
    store.purge(["a"])
    with store.read() as index:
        assert list(index.ids()) == [point_id("b")]
    assert store.unpublished("v1")
    with store.write(manifest()) as index:
        assert set(index.ids()) == {point_id("b"), point_id("c")}
    with pytest.raises(UsageError, match="never published"):
        store.activate("v2")


def test_purging_a_store_without_versions_does_nothing(store: VectorStore, tmp_path: Path) -> None:
    assert store.purge(["a"]) == 0
    assert not list(tmp_path.glob("feature_store/*"))


def test_purging_leaves_no_folder_of_before_and_survives_leftovers(tmp_path: Path) -> None:
    store = QdrantEdge().open(tmp_path, "notes")
    with store.write(manifest()) as index:
        index.upsert([point("a"), point("b")])
    store.publish("v1")
    root = tmp_path / "feature_store" / "notes"
    before = {*root.glob("versions/*"), *root.glob("published/*")}
    for leftover in ("versions/v1+1.part", "versions/v9", "published/v1-7.part", "published/v0-3"):
        (root / leftover / "shard").mkdir(parents=True)
    store.purge(["a"])
    after = {*root.glob("versions/*"), *root.glob("published/*")}
    assert len(after) == 2
    assert not after & before


def test_purging_a_damaged_version_removes_it(tmp_path: Path) -> None:
    store = QdrantEdge().open(tmp_path, "notes")
    with store.write(manifest()) as index:
        index.upsert([point("a"), point("b")])
    (tmp_path / "feature_store/notes/versions/v1/shard/edge_config.json").write_text("{")
    store.purge(["a"])
    assert store.versions() == {}
    with store.write(manifest()) as index:
        assert index.count() == 0

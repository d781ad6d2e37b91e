"""What the store on a Qdrant server adds to the contract: generations, versions by alias, faults, secrets.

The server is a stand-in (see `qdrant_stand_in`). The contract itself, in `test_vector_stores`, also runs on a real one.
"""

import dataclasses
import random
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest
from loguru import logger
from qdrant_client import QdrantClient, models
from qdrant_stand_in import StandIn, stand_in
from vectors import cosine

from llm_engineering.bootstrap import Workspace
from llm_engineering.config import Load
from llm_engineering.domain.chunks import Point, SparseVector
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.indexes import IndexManifest, ModelCard
from llm_engineering.domain.ports import VectorIndex
from llm_engineering.infrastructure.vector_stores import Qdrant, QdrantEdge
from llm_engineering.infrastructure.vector_stores.versioned.store import VersionedStore

NORTH = array("f", (1, 0, 0, 0))
KEY = "s3cret-key-of-the-tests"


def manifest(version: str = "v1", fields: tuple[str, ...] = ()) -> IndexManifest:
    card = ModelCard(name="tiny", digest="d1", dimension=4, max_tokens=16)
    settings: dict[str, object] = {"chunking": {"kind": "window", "size": 3, "ratio": 0.5, "none": None}}
    return IndexManifest(
        version=version, fingerprint=f"of {version}", model=card, payload_indexes=fields, settings=settings
    )


def point_id(name: object) -> str:
    return str(uuid5(NAMESPACE_URL, str(name)))


def point(name: object, text: str = "", terms: tuple[int, ...] = (1,), **metadata: object) -> Point:
    payload = {"uri": f"file:///{name}", "source": "notes", "document_id": str(name), "text": text}
    sparse = SparseVector(terms, (1.0,) * len(terms))
    return Point(point_id(name), NORTH, sparse, {**payload, "metadata": metadata})


@pytest.fixture
def server() -> Iterator[StandIn]:
    with stand_in() as running:
        yield running


@pytest.fixture
def store(server: StandIn) -> Iterator[VersionedStore]:
    opened = opened_on(server)
    yield opened
    opened.close()


def opened_on(server: StandIn, run: int = 0, **settings: object) -> VersionedStore:
    return Qdrant.model_validate({"url": server.url, **settings}).open(Path(), "notes", run)


def written(store: VersionedStore, *points: Point, version: str = "v1") -> None:
    with store.write(manifest(version)) as index:
        index.upsert(points)
    store.publish(version)


def texts(index: VectorIndex) -> dict[str, object]:
    return {found.id: found.payload["text"] for found in index.scan()}


# Generations


def test_what_the_store_adds_to_a_payload_is_not_shown(store: VersionedStore) -> None:
    one = point("a", "text", course="ml")
    written(store, one)
    with store.read() as index:
        assert index.get([one.id])[one.id].payload == one.payload
        assert index.search_dense(NORTH, 1)[0].payload == one.payload
        assert set(index.payload_indexes()) == {"uri", "source", "document_id"}


def test_publishing_what_has_not_changed_changes_nothing(server: StandIn, store: VersionedStore) -> None:
    written(store, point("a"))
    before = dict(server.collections["notes__v1"].metadata)
    with store.write(manifest()) as index:
        index.upsert([point("b")])
        index.delete([point_id("b")])
    store.publish("v1")
    assert server.collections["notes__v1"].metadata == before


def test_what_nobody_sees_any_more_is_deleted(server: StandIn) -> None:
    store = opened_on(server, reader_seconds=0)
    written(store, point("a", "one"), point("b"))
    for text in ("two", "three"):
        written(store, point("a", text))
        assert server.collections["notes__v1"].shard.info().points_count == 2
    assert "replaced': []" in str(server.collections["notes__v1"].metadata)
    store.close()


def test_readers_have_their_time_before_it_is_deleted(server: StandIn, store: VersionedStore) -> None:
    written(store, point("a", "one"))
    with store.read() as reader:
        for text in ("two", "three", "four"):
            written(store, point("a", text))
        assert list(texts(reader).values()) == ["one"]
    assert server.collections["notes__v1"].shard.info().points_count == 4
    impatient = opened_on(server, reader_seconds=0)
    with impatient.write(manifest()) as index:  # a run that finds nothing to do cleans up as well
        assert list(texts(index).values()) == ["four"]
    assert server.collections["notes__v1"].shard.info().points_count == 1
    impatient.close()


def test_ids_and_scan_are_in_order_and_show_each_point_once(store: VersionedStore) -> None:
    close = [str(UUID(int=number)) for number in range(40)]  # ids that begin alike
    points = [Point(known, NORTH, SparseVector((), ()), {"text": known}) for known in close]
    with store.write(manifest()) as index:
        index.upsert([*points, *(point(number) for number in range(300))])
    store.publish("v1")
    with store.write(manifest()) as index:
        index.upsert(points[::2])
        wanted = sorted([*close, *(point_id(number) for number in range(300))])
        assert list(index.ids()) == wanted
        assert [found.id for found in index.scan()] == wanted
        assert set(index.get(close)) == set(close)


def test_a_point_that_a_killed_writer_did_not_end_is_ended_by_the_next(server: StandIn, store: VersionedStore) -> None:
    written(store, point("a", "old"))
    with store.write(manifest()) as index:
        index.upsert([point("a", "new")])
    # What a server looks like that has done the first half of the request:
    unended = models.SetPayload(payload={"_until": 2**31 - 1}, filter=models.Filter(must=[]))
    client = QdrantClient(server.url, check_compatibility=False)
    client.batch_update_points("notes__v1", [models.SetPayloadOperation(set_payload=unended)])
    client.close()
    with store.read() as reader:
        assert list(texts(reader).values()) == ["old"]
    with store.write(manifest()) as index:
        assert index.count() == 1
        assert list(texts(index).values()) == ["new"]
    store.publish("v1")
    with store.read() as reader:
        assert (reader.count(), list(texts(reader).values())) == (1, ["new"])


@pytest.mark.parametrize("payload", [{}, {"text": "theirs", "_from": 1, "_until": 9}, {"_id": point_id("x")}])
def test_points_of_somebody_else_are_shown_to_the_writer_and_can_be_removed(
    server: StandIn, store: VersionedStore, payload: dict[str, object]
) -> None:
    written(store, point("a"))
    theirs = point_id("theirs")
    client = QdrantClient(server.url, check_compatibility=False)
    one = models.PointStruct(id=theirs, vector={"dense": [0.0, 1.0, 0.0, 0.0]}, payload=payload)
    client.batch_update_points("notes__v1", [models.UpsertOperation(upsert=models.PointsList(points=[one]))])
    client.close()
    with store.write(manifest()) as index:
        known = str(payload.get("_id", theirs))
        assert set(index.ids()) == {point_id("a"), known}
        assert {found.id for found in index.scan()} == {point_id("a"), known}
        index.delete([known, theirs])
        assert list(index.ids()) == [point_id("a")]
    assert server.collections["notes__v1"].shard.info().points_count == 1


def test_a_server_that_cannot_choose_whom_to_count_still_answers(server: StandIn) -> None:
    server.version = "1.17.2"
    store = opened_on(server)
    written(store, point("a"))
    with store.read() as reader:
        assert [hit.id for hit in reader.search_sparse(SparseVector((1,), (1.0,)), 10)] == [point_id("a")]
    store.close()


# Versions


def test_rolling_back_is_one_switch_and_shows_what_was_published(store: VersionedStore) -> None:
    written(store, point("a", "first"), version="v1")
    written(store, point("a", "second"), version="v2")
    with store.write(manifest("v1")) as index:
        index.upsert([point("a", "unpublished")])
    with store.read() as held:
        seconds = []
        for version in ("v1", "v2", "v1"):
            started = time.monotonic()
            store.activate(version)
            seconds.append(time.monotonic() - started)
        assert min(seconds) < 1
        assert list(texts(held).values()) == ["second"]
    active = store.active()
    assert active == manifest("v1")
    with store.read() as index:
        assert list(texts(index).values()) == ["first"]


def test_only_a_published_version_can_be_activated(store: VersionedStore) -> None:
    with store.write(manifest("v1")):
        pass
    with pytest.raises(UsageError, match="never published"):
        store.activate("v1")
    with pytest.raises(UsageError, match="there are: v1"):
        store.activate("v2")


def test_versions_are_listed_and_dropped_but_not_the_active_one(server: StandIn, store: VersionedStore) -> None:
    written(store, point("a"), version="v1")
    written(store, point("a"), version="v2")
    other = Qdrant(url=server.url).open(Path(), "notes__old")  # its v1 is called notes__old__v1
    written(other, point("b"))
    assert store.versions() == {"v1": manifest("v1"), "v2": manifest("v2")}
    with pytest.raises(UsageError, match="active one"):
        store.drop("v2")
    store.drop("v1")
    store.drop("v1")
    store.drop("v9")
    assert set(store.versions()) == {"v2"}
    assert set(other.versions()) == {"v1"}
    with pytest.raises(UsageError, match="there are: v2"):
        store.activate("v1")
    other.close()


def test_readers_through_switches_and_edits_see_whole_documents_of_one_version(server: StandIn) -> None:
    """A document has three chunks with one text in all of them. Whatever a reader sees, they agree."""
    stop = threading.Event()
    store = opened_on(server)

    def document(text: str) -> list[Point]:
        return [point(f"chunk {number}", text) for number in range(3)]

    def look() -> int:
        looks = 0
        with_own_connection = opened_on(server)
        while not stop.is_set():
            with with_own_connection.read() as index:
                found = [hit.payload["text"] for hit in index.search_dense(NORTH, 10)]
                assert len(found) == 3
                assert set(found) == set(texts(index).values())
                assert len(set(found)) == 1
                assert str(found[0]).startswith(index.manifest.version)
            looks += 1
        with_own_connection.close()
        return looks

    for version in ("v1", "v2"):
        written(store, *document(f"{version} 0"), version=version)
    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(look) for _ in range(3)]
        try:
            for number in range(50):
                if number % 5 == 0:
                    written(store, *document(f"v1 {number}"), version="v1")
                store.activate("v1" if number % 2 else "v2")
        finally:
            stop.set()
    assert all(reader.result() > 5 for reader in readers)
    store.close()


# Other people's collections


def test_a_name_that_is_taken_is_refused(server: StandIn, store: VersionedStore) -> None:
    client = QdrantClient(server.url, check_compatibility=False)
    theirs = {"dense": models.VectorParams(size=4, distance=models.Distance.COSINE)}
    client.create_collection("notes__v1", theirs)
    with pytest.raises(UsageError, match=r"notes__v1.*choose another name"), store.write(manifest()):
        pass
    assert store.versions() == {}
    client.create_collection("notes", theirs)
    with pytest.raises(UsageError, match="need that name as an alias"), store.write(manifest("v2")):
        pass
    client.close()


def test_an_alias_of_somebody_else_is_not_switched(server: StandIn, store: VersionedStore) -> None:
    client = QdrantClient(server.url, check_compatibility=False)
    client.create_collection("articles", {"dense": models.VectorParams(size=4, distance=models.Distance.COSINE)})
    theirs = models.CreateAlias(collection_name="articles", alias_name="notes")
    client.update_collection_aliases([models.CreateAliasOperation(create_alias=theirs)])
    client.close()
    with pytest.raises(BackendError, match="names 'articles', which is no published index"):
        store.active()
    with store.write(manifest()):
        pass
    with pytest.raises(UsageError, match="names 'articles', which is not ours"):
        store.publish("v1")
    assert server.aliases == {"notes": "articles"}


def test_an_old_server_is_refused_before_anything_is_created(server: StandIn, store: VersionedStore) -> None:
    server.version = "1.15.4"
    with pytest.raises(UsageError, match=r"version 1\.15; 1\.16 or newer"), store.write(manifest()):
        pass
    assert server.collections == {}


def test_damaged_metadata_is_reported_with_what_to_do(server: StandIn, store: VersionedStore) -> None:
    written(store, point("a"))
    server.collections["notes__v1"].metadata["llm_engineering"]["manifest"] = {"version": 3}
    with pytest.raises(BackendError, match="delete that collection"), store.read():
        pass
    server.collections["notes__v1"].metadata.clear()
    with pytest.raises(BackendError, match="no published index"), store.read():
        pass


def test_settings_of_a_version_reach_the_server(server: StandIn) -> None:
    settings = {"shard_number": 3, "replication_factor": 2, "on_disk": True, "quantization": "int8"}
    store = opened_on(server, **settings)
    with store.write(manifest()):
        pass
    made = server.collections["notes__v1"].made.model_dump(mode="json", exclude_none=True)
    assert (made["shard_number"], made["replication_factor"], made["on_disk_payload"]) == (3, 2, True)
    assert made["vectors"]["dense"]["on_disk"] is True
    assert made["vectors"]["dense"]["quantization_config"]["scalar"]["type"] == "int8"
    assert made["sparse_vectors"]["sparse"] == {"index": {"on_disk": True}, "modifier": "idf"}
    store.close()


@pytest.mark.parametrize("quantization", ["none", "int8", "binary"])
def test_what_compressed_vectors_find_is_scored_in_full(quantization: str) -> None:
    query, chance = array("f", (1.0, 0.2, 0.4, 0.1)), random.Random(7)
    points = [
        dataclasses.replace(point(number), dense=array("f", (chance.uniform(-1, 1) for _ in range(4))))
        for number in range(300)
    ]
    with (
        stand_in(indexing_threshold=1) as server,
        closing(opened_on(server, quantization=quantization)) as store,
        store.write(manifest()) as index,
    ):
        index.upsert(points)
        index.flush()
        server.collections["notes__v1"].shard.optimize()  # a server does so in the background
        assert bool(list(server.folder.rglob("quantized*"))) == (quantization != "none")
        for found in index.search_dense(query, 10):
            stored = index.get([found.id])[found.id].dense
            assert found.score == pytest.approx(cosine(query, stored), abs=1e-6)


# One writer


def test_a_run_that_was_overtaken_cannot_write_or_publish(server: StandIn) -> None:
    stopped, later = opened_on(server, run=7), opened_on(server, run=8)

    def wake_up() -> None:
        with stopped.write(manifest()) as index:
            index.upsert([point("a")])
            index.flush()
            with later.write(manifest()):
                pass
            for attempt in (lambda: index.upsert([point("b")]), lambda: index.delete([point_id("a")]), index.flush):
                with pytest.raises(BackendError, match="run 8 took it over"):
                    attempt()
            with pytest.raises(BackendError, match="run 8 took it over"):
                stopped.publish("v1")

    for attempt in (wake_up, wake_up):  # it can neither go on nor begin again
        with pytest.raises(BackendError, match="run 8 took it over"):
            attempt()
    with later.write(manifest()) as index:
        assert list(index.ids()) == [point_id("a")]
    assert later.active() is None
    stopped.close()
    later.close()


def test_a_run_that_was_overtaken_in_another_version_cannot_switch_readers(server: StandIn) -> None:
    stopped, later = opened_on(server, run=7), opened_on(server, run=8)
    written(stopped, point("a"), version="v1")
    written(later, point("a"), version="v2")
    for attempt in (stopped.activate, stopped.publish, stopped.drop):
        with pytest.raises(BackendError, match="run 8 took it over"):
            attempt("v1")
    later.activate("v1")
    stopped.close()
    later.close()


def test_a_writer_whose_work_somebody_else_published_cannot_add_to_it(server: StandIn) -> None:
    store, tool = opened_on(server, run=7), opened_on(server)

    def write_on() -> None:
        with store.write(manifest()) as index:
            index.upsert([point("a")])
            tool.publish("v1")
            index.upsert([point("b")])

    with pytest.raises(BackendError, match="published by another process"):
        write_on()
    with store.read() as reader:
        assert list(reader.ids()) == [point_id("a")]
    store.close()
    tool.close()


# Points


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        ({"text": float("nan")}, "cannot be sent as JSON"),
        ({"text": float("inf")}, "cannot be sent as JSON"),
        ({"text": "\ud800"}, "cannot be sent as JSON"),
        ({"text": object()}, "cannot be sent as JSON"),
        ({"_from": 1}, "needs; rename it"),
    ],
)
def test_a_payload_that_would_not_come_back_is_refused(
    store: VersionedStore, payload: dict[str, object], says: str
) -> None:
    with store.write(manifest()) as index:
        with pytest.raises(BackendError, match=says):
            index.upsert([point("good"), Point(point_id("bad"), NORTH, SparseVector((), ()), payload)])
        assert index.count() == 0


def test_a_batch_that_the_server_finds_too_large_is_split(server: StandIn, store: VersionedStore) -> None:
    server.largest_request = 20_000
    with store.write(manifest()) as index:
        index.upsert([point(number, "x" * 1_000) for number in range(100)])
        assert index.count() == 100
        with pytest.raises(BackendError, match="max_request_size_mb"):
            index.upsert([point("huge", "x" * 30_000)])


# Faults


def test_a_server_that_goes_away_in_the_middle_is_ridden_out(server: StandIn, store: VersionedStore) -> None:
    with store.write(manifest()) as index:
        index.upsert([point(number) for number in range(300)])
        server.go_away(1.0)
        index.upsert([point(number) for number in range(300, 600)])
        assert index.count() == 600
    server.go_away(0.5)
    store.publish("v1")
    with store.read() as reader:
        assert len(list(reader.ids())) == 600


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_errors_of_an_overloaded_server_pass(server: StandIn, store: VersionedStore, status: int) -> None:
    with store.write(manifest()) as index:
        server.answer_next(status, times=3)
        index.upsert([point("a")])
        assert index.count() == 1


def test_a_server_that_names_a_time_is_given_it(server: StandIn, store: VersionedStore) -> None:
    with store.write(manifest()) as index:
        server.answer_next(429, retry_after="1")
        started = time.monotonic()
        assert index.count() == 0
        assert time.monotonic() - started >= 1
        server.answer_next(429, retry_after="Wed, 21 Oct 2026 07:28:00 GMT")
        server.answer_next(429)
        assert index.count() == 0


def test_calls_whose_answers_were_lost_are_made_again_with_the_same_result(server: StandIn) -> None:
    server.lose_answers(
        "PUT /collections/notes__v1",
        *["PUT /collections/notes__v1/index"] * 2,
        *["POST /collections/notes__v1/points/batch"] * 4,
        "PATCH /collections/notes__v1",
        "PATCH /collections/notes__v1",
        "POST /collections/aliases",
        "POST /collections/notes__v1/points/delete",
        "DELETE /collections/notes__v2",
    )
    store = opened_on(server, run=1, reader_seconds=0)
    for text in ("one", "two"):
        with store.write(manifest(fields=("metadata.course",))) as index:
            index.upsert([point("a", text), point(text)])
            index.delete([point_id("one")] if text == "two" else [])
        store.publish("v1")
    with store.write(manifest("v2")):
        pass
    store.drop("v2")
    assert server._lost == []
    with store.read() as reader:
        assert texts(reader) == {point_id("a"): "two", point_id("two"): ""}
    assert server.collections["notes__v1"].shard.info().points_count == 2
    assert list(server.collections) == ["notes__v1"]
    store.close()


def test_a_server_that_stays_away_is_named_with_what_to_do(server: StandIn) -> None:
    store = opened_on(server, patience_seconds=0.3)
    server.close()
    started = time.monotonic()
    with pytest.raises(BackendError, match=rf"{server.url} cannot be used.*patience_seconds.*run again") as refused:
        store.active()
    assert refused.value.transient
    assert time.monotonic() - started < 20  # by default it would be a minute
    store.close()


def test_a_server_that_thinks_too_long_is_reported(server: StandIn) -> None:
    store = opened_on(server, timeout_seconds=1, patience_seconds=0)
    server.slow_down(1.5)
    with pytest.raises(BackendError, match="ReadTimeout") as refused:
        store.active()
    assert refused.value.transient
    store.close()


@pytest.mark.parametrize("body", ["<html>Sign in to the hotel network</html>", "[]", "null", '{"result": 3}', "{}"])
def test_something_that_is_no_qdrant_is_reported(server: StandIn, store: VersionedStore, body: str) -> None:
    server.answer_next(200, body=body)
    with pytest.raises(BackendError, match="not that of a Qdrant server"):
        store.active()


def test_what_the_server_says_is_passed_on(server: StandIn, store: VersionedStore) -> None:
    server.answer_next(400, body='{"status": {"error": "Wrong input: no such thing"}}')
    with pytest.raises(BackendError, match="refused a request: 400, Wrong input: no such thing"):
        store.active()
    server.answer_next(418, body="x" * 10_000)
    with pytest.raises(BackendError) as refused:
        store.active()
    assert len(str(refused.value)) < 1_000


# Addresses and secrets


@pytest.mark.parametrize("answer", [401, 403, 400])
def test_the_key_is_sent_and_never_shown(monkeypatch: pytest.MonkeyPatch, answer: int) -> None:
    monkeypatch.setenv("LLM_ENGINEERING_QDRANT_API_KEY", KEY)
    lines: list[str] = []
    sink = logger.add(lines.append, level=0)
    with stand_in(api_key=KEY) as server:
        store = opened_on(server)
        written(store, point("a"))
        server.answer_next(500, body=f"no good: {KEY}")
        server.answer_next(answer, body=f"no good: {KEY}")
        with pytest.raises((UsageError, BackendError)) as refused:
            store.active()
        store.close()
    logger.remove(sink)
    assert "no good: ***" in "".join(lines)
    assert KEY not in "".join(lines) + str(refused.value) + repr(store._books.server) + repr(store._opened)
    assert ("LLM_ENGINEERING_QDRANT_API_KEY" in str(refused.value)) == (answer != 400)


def test_a_wrong_key_is_a_mistake_that_can_be_mended(server: StandIn, store: VersionedStore) -> None:
    server.api_key = KEY
    with pytest.raises(UsageError, match="set LLM_ENGINEERING_QDRANT_API_KEY"):
        store.active()


@pytest.mark.parametrize(
    ("url", "goes"),
    [
        ("http://127.0.0.1:6333", True),
        ("http://[::1]:6333", True),
        ("http://localhost", True),
        ("https://qdrant.example.org:6333", True),
        ("http://qdrant.example.org:6333", False),
        ("http://10.0.0.7:6333", False),
        ("http://localhost.example.org", False),
        ("http://0.0.0.0:6333", False),
    ],
)
def test_a_key_does_not_travel_in_the_clear(monkeypatch: pytest.MonkeyPatch, url: str, goes: bool) -> None:
    monkeypatch.setenv("LLM_ENGINEERING_QDRANT_API_KEY", KEY)
    if not goes:
        with pytest.raises(UsageError, match="readable for everybody"):
            Qdrant(url=url).open(Path(), "notes")
    Qdrant(url=url, allow_insecure_key=not goes).open(Path(), "notes").close()


@pytest.mark.parametrize("key", ["a\nb", " padded", "schlüssel", "tab\tbed"])
def test_a_key_that_no_header_can_hold_is_refused_unseen(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("LLM_ENGINEERING_QDRANT_API_KEY", key)
    with pytest.raises(UsageError, match="copy the key again") as refused:
        Qdrant(url="http://127.0.0.1:6333").open(Path(), "notes")
    assert key not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:6333",
        "ftp://localhost",
        "http://",
        "http://host:0",
        "http://host:99999",
        "http://[::1",
        "http://h?a=b",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match=r"http://127\.0\.0\.1:6333"):
        Qdrant(url=url).open(Path(), "notes")


def test_what_is_meant_for_this_machine_goes_through_no_proxy(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    store = opened_on(server, patience_seconds=0)
    assert store.active() is None
    store.close()


def test_grpc_that_is_not_answered_is_reported_alike(server: StandIn) -> None:
    store = opened_on(server, prefer_grpc=True, patience_seconds=0)
    with pytest.raises(BackendError, match="cannot be used: UNAVAILABLE") as refused:
        store.active()
    assert refused.value.transient
    store.close()


def test_a_password_in_the_address_is_refused_unseen() -> None:
    with pytest.raises(UsageError, match="QDRANT_API_KEY") as refused:
        Qdrant(url="https://me:hunter2@example.org").open(Path(), "notes")
    assert "hunter2" not in str(refused.value)


def test_the_environment_chooses_the_store_where_the_configuration_does_not(
    server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Workspace().store_spec(Load()) == QdrantEdge()
    monkeypatch.setenv("LLM_ENGINEERING_QDRANT_URL", server.url)
    assert Workspace().store_spec(Load(store=QdrantEdge(search_threads=2))) == QdrantEdge(search_threads=2)
    assert Workspace().store_spec(Load()).kind == "qdrant"
    with Workspace().store(Load()) as store, store.write(manifest()):
        pass
    assert list(server.collections) == ["default__v1"]


def test_the_client_is_imported_only_when_a_store_is_opened() -> None:
    code = (
        "import sys; from pathlib import Path; from llm_engineering.config import Load\n"
        "spec = Load.model_validate({'store': {'kind': 'qdrant', 'url': 'http://127.0.0.1:1'}}).store\n"
        "assert 'qdrant_client' not in sys.modules and 'grpc' not in sys.modules\n"
        "spec.open(Path(), 'notes').close(); assert 'qdrant_client' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])

"""The contract of the port `Warehouse`, on SQLite in a file, SQLite in memory, and PostgreSQL where there is one."""

import math
import os
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from postgresql_server import new_database, postgresql_server

from llm_engineering.domain.costs import EmbeddingRate
from llm_engineering.domain.documents import Document, Rejection
from llm_engineering.domain.erasure import Forgotten, Target, digest_of
from llm_engineering.domain.errors import BackendError, DamagedDocuments, UsageError
from llm_engineering.domain.indexes import Activation, DocumentState, IndexedChunk, IndexManifest, ModelCard
from llm_engineering.domain.lineage import Derivative
from llm_engineering.domain.ports import Warehouse
from llm_engineering.domain.traces import Traces
from llm_engineering.domain.users import User
from llm_engineering.infrastructure.warehouse import existing_warehouse, open_warehouse

ODD_TEXTS = [
    "",
    "naïve 北京 🦀 \u202e",
    "a\x00b",
    "\ud800 lone",
    "\x1a0041",
    "\x1a",
    "'; DROP TABLE users; --",
    "%s ? :x",
]


def document(name: str = "a", **changes: Any) -> Document:
    fields = {"uri": f"file:///{name}.md", "source": "docs", "format": "markdown", "text": f"Text of {name}."}
    return Document(**{**fields, **changes})


def manifest(fingerprint: str = "f1", **changes: Any) -> IndexManifest:
    model = ModelCard(name="m", digest="d", dimension=3, max_tokens=256)
    return IndexManifest(**{"version": "", "fingerprint": fingerprint, "model": model, **changes})


def user(first_name: str, last_name: str) -> User:
    return User(first_name=first_name, last_name=last_name)


def state(name: str, content_hash: str = "h") -> DocumentState:
    return DocumentState(document(name).id, content_hash)


def record(
    warehouse: Warehouse, collection: str, version: str, entries: list[tuple[DocumentState, list[str]]], run: int
) -> None:
    """Record documents with chunks of these ids."""
    made = [
        (
            state,
            [IndexedChunk(state.document_id, chunk_id, f"text of {chunk_id}", f"{chunk_id:.32}") for chunk_id in ids],
        )
        for state, ids in entries
    ]
    warehouse.record_indexed(collection, version, made, run)


def chunk_ids(warehouse: Warehouse, *arguments: Any) -> list[str]:
    return [chunk.chunk_id for chunk in warehouse.indexed_chunks(*arguments)]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    with postgresql_server() as server:
        yield server


@pytest.fixture(params=["sqlite file", "sqlite memory", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite memory":
        return "sqlite://"
    if request.param == "sqlite file":
        return f"sqlite:///{tmp_path / 'warehouse.db'}"
    return new_database(request.getfixturevalue("postgresql"))


@pytest.fixture
def warehouse(url: str) -> Iterator[Warehouse]:
    opened = open_warehouse(url)
    yield opened
    opened.close()


# Runs


def test_runs_are_numbered_in_ascending_order(warehouse: Warehouse) -> None:
    assert [warehouse.start_run("feature", {}) for _ in range(3)] == [1, 2, 3]


def test_a_run_keeps_its_configuration_its_times_and_its_report(warehouse: Warehouse) -> None:
    before = datetime.now(UTC)
    run = warehouse.start_run("feature", {"chunk": {"kind": "code", "tokens": 200}, "odd": "\ud800\x00"})
    started = dict(warehouse.run_record(run))
    warehouse.finish_run(run, "completed", {"found": 3, "rate": math.inf})
    finished = dict(warehouse.run_record(run))
    assert started["status"] == "running"
    assert started["report"] is None
    assert started["finished_at"] is None
    assert finished["run"] == run
    assert finished["pipeline"] == "feature"
    assert finished["status"] == "completed"
    assert finished["config"] == {"chunk": {"kind": "code", "tokens": 200}, "odd": "\ud800\x00"}
    assert finished["report"] == {"found": 3, "rate": math.inf}
    times = [datetime.fromisoformat(str(finished[key])) for key in ("started_at", "finished_at")]
    assert before <= times[0] <= times[1] <= datetime.now(UTC)
    assert times[0].utcoffset() == timedelta(0)


def test_an_unknown_run_is_an_error_that_names_it(warehouse: Warehouse) -> None:
    with pytest.raises(UsageError, match="no run 7"):
        warehouse.run_record(7)
    with pytest.raises(UsageError, match="no run 7"):
        warehouse.finish_run(7, "failed", {})


def test_a_run_ends_as_completed_or_failed_only(warehouse: Warehouse) -> None:
    run = warehouse.start_run("feature", {})
    with pytest.raises(ValueError, match="'done'"):
        warehouse.finish_run(run, "done", {})


# Owners, holds and fences


def test_what_a_run_holds_no_other_gets_until_it_is_finished(warehouse: Warehouse) -> None:
    first = warehouse.start_run("feature", {}, ["collection a", "source x"])
    with pytest.raises(
        BackendError, match=rf"collection a is held by run {first} \(feature\), process {os.getpid()}"
    ) as busy:
        warehouse.start_run("feature", {}, ["collection a", "source y"])
    assert busy.value.transient
    assert f"run {first}" in warehouse.holder(["source x"])
    assert warehouse.holder(["source y"]) == ""
    warehouse.start_run("etl", {}, ["source y"])
    warehouse.finish_run(first, "failed", {})
    assert warehouse.start_run("feature", {}, ["collection a", "source x"]) > first


def test_of_many_starts_at_once_one_gets_the_resource(warehouse: Warehouse) -> None:
    def start(_: int) -> bool:
        try:
            warehouse.start_run("feature", {}, ["collection a"])
        except BackendError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(start, range(16))) == 1


DIES = """
import os, signal, sys
from llm_engineering.infrastructure.warehouse import open_warehouse
warehouse = open_warehouse(sys.argv[1])
print(warehouse.start_run("feature", {}, ["collection a"]), flush=True)
os.kill(os.getpid(), getattr(signal, sys.argv[2]))
"""


def test_the_run_of_a_killed_process_is_closed_by_the_next_one(warehouse: Warehouse, url: str) -> None:
    if url == "sqlite://":
        pytest.skip("a warehouse in memory has no other process")
    killed = subprocess.run([sys.executable, "-c", DIES, url, "SIGKILL"], capture_output=True, text=True, check=False)
    dead = int(killed.stdout)
    assert warehouse.run_record(dead)["status"] == "running"
    assert warehouse.start_run("feature", {}, ["collection a"]) > dead
    record = warehouse.run_record(dead)
    assert record["status"] == "failed"
    assert record["report"]["failures"][0]["reason"] == "died"
    assert f"process {record['process']}" in record["report"]["failures"][0]["detail"]


def test_a_stopped_owner_that_wakes_up_cannot_write(url: str) -> None:
    if url == "sqlite://":
        pytest.skip("a warehouse in memory has no other process")
    old, new = open_warehouse(url), open_warehouse(url, lease_seconds=0.0)
    with closing(old), closing(new):
        stale = old.start_run("feature", {}, ["collection a"])
        version = old.register_index("a", manifest(), stale).version
        owner = new.start_run("feature", {}, ["collection a"])
        writes = (
            lambda: old.beat(stale),
            lambda: old.put([document()], stale),
            lambda: old.bury([document().id], stale),
            lambda: old.reject([Rejection("u", "s", "empty", "nothing in it")], stale),
            lambda: old.register_index("a", manifest("f2"), stale),
            lambda: record(old, "a", version, [(state("x"), ["c1"])], stale),
            lambda: old.forget_indexed("a", version, [state("x").document_id], stale),
            lambda: old.distrust("a", version, ["c1"], stale),
            lambda: old.drop_index("a", version, stale),
            lambda: old.record_activation(Activation(collection="a", version=version, kind="run", run=stale)),
            lambda: old.finish_run(stale, "completed", {}),
        )
        for write in writes:
            with pytest.raises(BackendError, match=f"run {stale} was closed as failed"):
                write()
        old.finish_run(stale, "failed", {"mine": 1})
        assert old.run_record(stale)["report"]["failures"][0]["reason"] == "died"
        assert f"run {owner}" in old.holder(["collection a"])
        new.put([document()], owner)


def test_a_run_whose_opening_is_repeated_is_the_same_run(warehouse: Warehouse) -> None:
    # As after a connection that broke between the commit and its answer.
    arguments = ("k" * 32, "feature", {}, ["collection a"])
    first = warehouse._start_run(*arguments)  # type: ignore[attr-defined]
    assert warehouse._start_run(*arguments) == first  # type: ignore[attr-defined]
    assert warehouse.start_run("feature", {}) == first + 1


def test_numbers_of_runs_can_be_passed_over(warehouse: Warehouse) -> None:
    first = warehouse.start_run("feature", {})
    warehouse.pass_over_runs(41)
    assert warehouse.start_run("feature", {}) == 42
    warehouse.pass_over_runs(first)
    assert warehouse.start_run("feature", {}) > 42


def test_a_beat_keeps_a_run_alive(url: str) -> None:
    if url == "sqlite://":
        pytest.skip("a warehouse in memory has no other process")
    mine, other = open_warehouse(url), open_warehouse(url, lease_seconds=0.5)
    with closing(mine), closing(other):
        run = mine.start_run("feature", {}, ["collection a"])
        for _ in range(4):
            time.sleep(0.2)
            mine.beat(run)
        assert f"run {run}" in other.holder(["collection a"])
        time.sleep(0.7)
        assert other.holder(["collection a"]) == ""


# Users


def test_a_user_is_created_once(warehouse: Warehouse) -> None:
    assert warehouse.get_or_create_user(user("Ada", "Lovelace"))
    assert not warehouse.get_or_create_user(user("ada", "LOVELACE"))
    assert warehouse.get_or_create_user(user("Ada", "Byron"))


def test_of_twenty_concurrent_callers_one_creates_the_user(warehouse: Warehouse) -> None:
    with ThreadPoolExecutor(20) as pool:
        created = list(pool.map(lambda _: warehouse.get_or_create_user(user("Ada", "Lovelace")), range(20)))
    assert created.count(True) == 1


# Documents


def test_a_document_comes_back_as_it_was_put(warehouse: Warehouse) -> None:
    stored = document(
        title="T", key="k/1", user_id="u", metadata={"n": 1, "x": 0.5, "ok": True, "s": "é"}, provenance={"etag": '"x"'}
    )
    warehouse.put([stored], run=1)
    assert list(warehouse.documents([stored.id])) == [stored]
    assert warehouse.states("docs") == {stored.id: stored.content_hash}
    assert warehouse.provenance(stored.id) == {"etag": '"x"'}


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_any_text_comes_back_unchanged(warehouse: Warehouse, text: str) -> None:
    stored = document(text=text, title=text, metadata={"m": text}, provenance={"p": text})
    warehouse.put([stored], run=1)
    assert list(warehouse.documents([stored.id])) == [stored]
    assert warehouse.states("docs") == {stored.id: stored.content_hash}


@pytest.mark.parametrize("name", [text for text in ODD_TEXTS if "\ud800" not in text])
def test_a_source_may_have_any_name(warehouse: Warehouse, name: str) -> None:
    warehouse.put([document(source=name, key=name), document(source="other")], run=1)
    assert list(warehouse.states(name)) == [document(source=name, key=name).id]
    assert [found.document_id for found in warehouse.live([name])] == list(warehouse.states(name))


def test_an_edited_document_replaces_its_content(warehouse: Warehouse) -> None:
    warehouse.put([document(text="old")], run=1)
    warehouse.put([document(text="new", title="New", metadata={"a": 1})], run=2)
    [found] = warehouse.documents([document().id])
    assert (found.text, found.title, found.metadata) == ("new", "New", {"a": 1})
    assert warehouse.states("docs") == {found.id: found.content_hash}


def test_the_later_content_of_the_same_run_wins(warehouse: Warehouse) -> None:
    warehouse.put([document(text="first try")], run=1)
    warehouse.put([document(text="second try")], run=1)
    assert [found.text for found in warehouse.documents([document().id])] == ["second try"]


def test_the_provenance_of_an_unchanged_document_is_refreshed(warehouse: Warehouse) -> None:
    warehouse.put([document(provenance={"etag": "1"})], run=1)
    warehouse.put([document(provenance={"etag": "2"})], run=2)
    assert warehouse.provenance(document().id) == {"etag": "2"}


def test_the_same_uri_in_two_sources_is_two_documents(warehouse: Warehouse) -> None:
    warehouse.put([document(source="a"), document(source="b")], run=1)
    warehouse.bury([document(source="a").id], run=2)
    assert warehouse.states("a") == {}
    assert list(warehouse.states("b")) == [document(source="b").id]


def test_a_buried_document_is_neither_live_nor_known(warehouse: Warehouse) -> None:
    warehouse.put([document("a"), document("b")], run=1)
    warehouse.bury([document("a").id, "unknown"], run=2)
    assert list(warehouse.states("docs")) == [document("b").id]
    assert [found.document_id for found in warehouse.live()] == [document("b").id]
    assert list(warehouse.documents([document("a").id])) == []
    assert warehouse.provenance(document("a").id) is None


@pytest.mark.parametrize("text", ["Text of a.", "changed meanwhile"])
def test_putting_a_buried_document_lifts_its_tombstone(warehouse: Warehouse, text: str) -> None:
    warehouse.put([document()], run=1)
    warehouse.bury([document().id], run=2)
    warehouse.put([document(text=text)], run=3)
    assert [found.text for found in warehouse.documents([document().id])] == [text]
    assert list(warehouse.states("docs")) == [document().id]


def test_provenance_tells_an_unknown_document_from_one_without(warehouse: Warehouse) -> None:
    warehouse.put([document()], run=1)
    assert warehouse.provenance(document().id) == {}
    assert warehouse.provenance("unknown") is None


def test_a_document_that_occurs_twice_in_a_call_is_refused_and_nothing_is_stored(warehouse: Warehouse) -> None:
    with pytest.raises(ValueError, match=document("a").id):
        warehouse.put([document("b"), document("a"), document("a", text="other")], run=1)
    assert warehouse.states("docs") == {}


def test_nothing_in_means_nothing_done(warehouse: Warehouse) -> None:
    warehouse.put([], run=1)
    warehouse.bury([], run=1)
    warehouse.reject([], run=1)
    assert list(warehouse.documents([])) == []
    assert list(warehouse.live()) == []
    assert list(warehouse.live([])) == []
    assert warehouse.rejections(1) == []
    assert warehouse.vectors("d", []) == {}
    warehouse.put_vectors("d", {})


def test_live_documents_come_in_ascending_order_of_id_over_many_pages(warehouse: Warehouse) -> None:
    stored = [document(str(number), source=f"s{number % 3}") for number in range(11_000)]
    warehouse.put(stored, run=1)
    expected = [DocumentState(each.id, each.content_hash) for each in sorted(stored, key=lambda each: each.id)]
    assert list(warehouse.live()) == expected
    chosen = {each.id for each in stored if each.source != "s1"}
    assert list(warehouse.live({"s0", "s2"})) == [each for each in expected if each.document_id in chosen]


def test_documents_are_found_in_ascending_order_among_many_ids(warehouse: Warehouse) -> None:
    stored = sorted((document(str(number)) for number in range(1_300)), key=lambda each: each.id)
    warehouse.put(stored, run=1)
    asked = [each.id for each in reversed(stored)] + ["unknown", stored[0].id]
    assert list(warehouse.documents(asked)) == stored


def test_large_documents_come_one_page_after_the_other(warehouse: Warehouse) -> None:
    stored = [document(str(number), text=f"{number}" * 3_000_000) for number in range(3)]
    warehouse.put(stored, run=1)
    assert {found.id for found in warehouse.documents([each.id for each in stored])} == {each.id for each in stored}


def test_a_caller_may_write_while_it_iterates(warehouse: Warehouse) -> None:
    warehouse.put([document(str(number)) for number in range(5_500)], run=1)
    seen = 0
    for found in warehouse.live():
        seen += 1
        if seen % 1_000 == 1:
            warehouse.bury([found.document_id], run=2)
    assert seen == 5_500
    assert len(warehouse.states("docs")) == 5_494


def test_a_reading_that_was_killed_leaves_how_many_documents_there_were(warehouse: Warehouse) -> None:
    assert warehouse.count_before("docs") is None
    warehouse.put([document("a"), document("b")], run=1)
    warehouse.bury([], 1, read="docs")
    assert warehouse.count_before("docs") is None
    warehouse.put([document("c")], run=2)
    warehouse.put([document("d")], run=2)
    assert warehouse.count_before("docs") == 2
    assert warehouse.count_before("other") is None
    warehouse.bury([document("a").id], 3, read="docs")
    assert warehouse.count_before("docs") is None
    warehouse.put([document("c", text="changed")], run=4)
    assert warehouse.count_before("docs") is None


# Rejections


def test_rejections_are_listed_by_run_in_their_order(warehouse: Warehouse) -> None:
    first = [Rejection(f"https://e.org/{name}", "web", "paywall", f"“{name}”", key=name) for name in ("z", "a")]
    warehouse.reject(first, run=1)
    warehouse.reject([Rejection("https://e.org/c", "web", "empty", "No text.")], run=2)
    assert warehouse.rejections(1) == first
    assert [found.reason for found in warehouse.rejections(2)] == ["empty"]
    assert warehouse.rejections(3) == []


def test_a_repeated_rejection_is_listed_once_with_its_last_reason(warehouse: Warehouse) -> None:
    warehouse.reject([Rejection("https://e.org/", "web", "paywall", "first")], run=1)
    warehouse.reject([Rejection("https://e.org/", "web", "block_page", "second")], run=1)
    assert [found.detail for found in warehouse.rejections(1)] == ["second"]


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_any_detail_of_a_rejection_comes_back_unchanged(warehouse: Warehouse, text: str) -> None:
    rejection = Rejection("file:///x", "docs", "binary", text)
    warehouse.reject([rejection], run=1)
    assert warehouse.rejections(1) == [rejection]


# Index ledgers


def test_index_versions_are_numbered_by_collection_in_order_of_registration(warehouse: Warehouse) -> None:
    versions = [
        warehouse.register_index(collection, manifest(fingerprint), run=1).version
        for collection, fingerprint in [("a", "x"), ("a", "y"), ("b", "y"), ("a", "x")]
    ]
    assert versions == ["v1", "v2", "v1", "v1"]


def test_the_stored_manifest_is_returned_not_the_argument(warehouse: Warehouse) -> None:
    first = manifest("x", version="v9", payload_indexes=("source",), settings={"tokens": 200, "text": "\x00é"})
    stored = warehouse.register_index("a", first, run=1)
    assert stored == first.model_copy(update={"version": "v1"})
    again = warehouse.register_index("a", manifest("x", settings={"other": 1}), run=2)
    assert again == stored


def test_concurrent_registrations_agree_on_one_number_for_a_fingerprint(warehouse: Warehouse) -> None:
    with ThreadPoolExecutor(8) as pool:
        stored = list(pool.map(lambda n: warehouse.register_index("a", manifest(f"f{n % 4}"), run=1), range(16)))
    versions = {each.fingerprint: each.version for each in stored}
    assert sorted(versions.values()) == ["v1", "v2", "v3", "v4"]
    assert all(versions[each.fingerprint] == each.version for each in stored)


def test_an_unregistered_index_version_is_an_error_that_names_the_registered_ones(warehouse: Warehouse) -> None:
    warehouse.register_index("a", manifest(), run=1)
    for call in (
        lambda: warehouse.indexed("a", "v2"),
        lambda: warehouse.indexed_chunks("a", "v2"),
        lambda: warehouse.record_indexed("a", "v2", [], run=1),
        lambda: warehouse.forget_indexed("a", "v2", []),
    ):
        with pytest.raises(UsageError, match="'v2'; registered: v1"):
            call()
    with pytest.raises(UsageError, match="none yet"):
        warehouse.indexed("b", "v1")


def test_the_ledger_holds_what_was_recorded(warehouse: Warehouse) -> None:
    warehouse.register_index("a", manifest(), run=1)
    entries = [(state("x"), ["c1", "c2"]), (state("y"), []), (state("z"), ["c3"])]
    record(warehouse, "a", "v1", entries, run=1)
    assert list(warehouse.indexed("a", "v1")) == sorted((s for s, _ in entries), key=lambda s: s.document_id)
    assert sorted(chunk_ids(warehouse, "a", "v1")) == ["c1", "c2", "c3"]
    assert sorted(chunk_ids(warehouse, "a", "v1", [state("x").document_id, "unknown"])) == ["c1", "c2"]
    assert list(chunk_ids(warehouse, "a", "v1", [])) == []


def test_recording_a_document_again_replaces_its_hash_and_chunks(warehouse: Warehouse) -> None:
    warehouse.register_index("a", manifest(), run=1)
    record(warehouse, "a", "v1", [(state("x", "old"), ["c1", "c2"]), (state("y"), ["c9"])], run=1)
    record(warehouse, "a", "v1", [(state("x", "new"), ["c2", "c3"])], run=2)
    assert {s.document_id: s.content_hash for s in warehouse.indexed("a", "v1")} == {
        state("x").document_id: "new",
        state("y").document_id: "h",
    }
    assert sorted(chunk_ids(warehouse, "a", "v1")) == ["c2", "c3", "c9"]


def test_a_forgotten_document_leaves_only_that_ledger(warehouse: Warehouse) -> None:
    for fingerprint in ("x", "y"):
        version = warehouse.register_index("a", manifest(fingerprint), run=1).version
        record(warehouse, "a", version, [(state("x"), ["c1"])], run=1)
    warehouse.forget_indexed("a", "v1", [state("x").document_id, "unknown"])
    assert list(warehouse.indexed("a", "v1")) == []
    assert list(chunk_ids(warehouse, "a", "v1")) == []
    assert list(chunk_ids(warehouse, "a", "v2")) == ["c1"]


def test_a_document_that_is_recorded_twice_in_a_call_is_refused(warehouse: Warehouse) -> None:
    warehouse.register_index("a", manifest(), run=1)
    with pytest.raises(ValueError, match="twice"):
        record(warehouse, "a", "v1", [(state("x"), ["c1"]), (state("x"), ["c2"])], run=1)
    assert list(warehouse.indexed("a", "v1")) == []


def test_a_ledger_of_many_pages_is_read_completely(warehouse: Warehouse) -> None:
    warehouse.register_index("a", manifest(), run=1)
    entries = [(state(str(number)), [f"{number}-{part}" for part in range(5)]) for number in range(2_100)]
    entries.append((state("large"), [f"large-{part}" for part in range(6_000)]))
    record(warehouse, "a", "v1", entries, run=1)
    assert [s.document_id for s in warehouse.indexed("a", "v1")] == sorted(s.document_id for s, _ in entries)
    expected = sorted(chunk for _, chunks in entries for chunk in chunks)
    assert sorted(chunk_ids(warehouse, "a", "v1")) == expected
    assert sorted(chunk_ids(warehouse, "a", "v1", [s.document_id for s, _ in entries])) == expected


def test_the_ledger_gives_back_what_proves_a_point(warehouse: Warehouse) -> None:
    warehouse.register_index("a", manifest(), run=1)
    chunk = IndexedChunk(state("x").document_id, "c1", "t" * 64, "d" * 32)
    warehouse.record_indexed("a", "v1", [(state("x"), [chunk])], run=1)
    assert list(warehouse.indexed_chunks("a", "v1")) == [chunk]


@pytest.mark.parametrize("lost", [["c1"], ["c1", "c2"]])
def test_a_document_with_distrusted_chunks_has_no_hash(warehouse: Warehouse, lost: list[str]) -> None:
    warehouse.register_index("a", manifest(), run=1)
    record(warehouse, "a", "v1", [(state("x"), ["c1", "c2"]), (state("y"), ["c3"]), (state("z"), [])], run=1)
    warehouse.distrust("a", "v1", [*lost, "unknown"])
    hashes = {each.document_id: each.content_hash for each in warehouse.indexed("a", "v1")}
    assert hashes == {state("x").document_id: "", state("y").document_id: "h", state("z").document_id: "h"}
    record(warehouse, "a", "v1", [(state("x"), ["c1", "c2"])], run=2)
    assert {each.content_hash for each in warehouse.indexed("a", "v1")} == {"h"}


def test_index_records_count_what_the_ledgers_hold(warehouse: Warehouse) -> None:
    for collection, fingerprint in (("a", "f1"), ("a", "f2"), ("b", "f1")):
        warehouse.register_index(collection, manifest(fingerprint), run=1)
    record(warehouse, "a", "v2", [(state("x"), ["c1", "c2"]), (state("y"), [])], run=1)
    known = [(name, entry.manifest.version, entry.documents, entry.chunks) for name, entry in warehouse.index_records()]
    assert known == [("a", "v1", 0, 0), ("a", "v2", 2, 2), ("b", "v1", 0, 0)]
    assert [entry.manifest.version for _, entry in warehouse.index_records("b")] == ["v1"]


def test_a_dropped_index_version_is_gone_and_its_name_is_not_given_again(warehouse: Warehouse) -> None:
    for fingerprint in ("f1", "f2"):
        version = warehouse.register_index("a", manifest(fingerprint), run=1).version
        record(warehouse, "a", version, [(state("x"), ["c1"])], run=1)
        warehouse.record_activation(Activation(collection="a", version=version, kind="run", run=1))
    warehouse.drop_index("a", "v2")
    warehouse.drop_index("a", "v9")
    assert [entry.manifest.version for _, entry in warehouse.index_records("a")] == ["v1"]
    with pytest.raises(UsageError, match="v2"):
        warehouse.indexed("a", "v2")
    assert chunk_ids(warehouse, "a", "v1") == ["c1"]
    assert warehouse.register_index("a", manifest("f2"), run=2).version == "v3"


def test_names_taken_in_the_store_are_passed_over(warehouse: Warehouse) -> None:
    assert warehouse.register_index("a", manifest(), run=1, taken=["v1", "v4", "other"]).version == "v5"


def test_activations_are_kept_in_order(warehouse: Warehouse) -> None:
    made = [
        Activation(collection="a", version="v1", kind="run", run=1),
        Activation(collection="a", version="v2", kind="run", left="v1", run=2),
        Activation(collection="a", version="v1", kind="rollback", left="v2", run=3),
    ]
    for activation in [*made, Activation(collection="b", version="v1", kind="run", run=4)]:
        warehouse.record_activation(activation)
    kept = warehouse.activations("a")
    assert [activation.model_copy(update={"at": ""}) for activation in kept] == made
    assert all(datetime.fromisoformat(activation.at).tzinfo for activation in kept)


def test_a_switch_is_noted_once(warehouse: Warehouse) -> None:
    first = Activation(collection="a", version="v1", kind="run")
    back = Activation(collection="a", version="v2", kind="rollback", left="v1")
    for activation in (first, first, back, back, first):
        warehouse.record_activation(activation)
    assert [found.version for found in warehouse.activations("a")] == ["v1", "v2", "v1"]


# Vectors


def test_vectors_are_kept_by_model_and_text(warehouse: Warehouse) -> None:
    warehouse.put_vectors("d1", {"h1": array("f", [0.1, -2.0, math.inf]), "h2": array("f")})
    warehouse.put_vectors("d2", {"h1": array("f", [7.0])})
    assert warehouse.vectors("d1", ["h1", "h2", "h3"]) == {"h1": array("f", [0.1, -2.0, math.inf]), "h2": array("f")}
    assert warehouse.vectors("d2", ["h1"]) == {"h1": array("f", [7.0])}
    assert warehouse.vectors("d3", ["h1"]) == {}


def test_a_vector_that_is_there_already_stays(warehouse: Warehouse) -> None:
    warehouse.put_vectors("d", {"h": array("f", [1.0])})
    warehouse.put_vectors("d", {"h": array("f", [2.0]), "i": array("f", [3.0])})
    assert warehouse.vectors("d", ["h", "i"]) == {"h": array("f", [1.0]), "i": array("f", [3.0])}


def test_thousands_of_vectors_are_found_in_one_call(warehouse: Warehouse) -> None:
    stored = {f"h{number}": array("f", [number]) for number in range(1_700)}
    warehouse.put_vectors("d", stored)
    assert warehouse.vectors("d", [*stored, "unknown"]) == stored


def test_a_vector_of_doubles_is_refused(warehouse: Warehouse) -> None:
    with pytest.raises(ValueError, match=r"array\('d'"):
        warehouse.put_vectors("d", {"h": array("d", [1.0])})


# Opening


def test_what_was_stored_is_there_after_opening_again(url: str) -> None:
    if url == "sqlite://":
        pytest.skip("a warehouse in memory ends with its closing")
    first = open_warehouse(url)
    first.put([document()], run=first.start_run("feature", {}))
    first.close()
    again = open_warehouse(url)
    assert list(again.states("docs")) == [document().id]
    assert again.start_run("feature", {}) == 2
    again.close()


def test_a_damaged_vector_is_an_error_not_a_short_vector(warehouse: Warehouse) -> None:
    from sqlalchemy import insert

    from llm_engineering.infrastructure.warehouse.sql import SqlWarehouse
    from llm_engineering.infrastructure.warehouse.tables import vectors

    assert isinstance(warehouse, SqlWarehouse)
    with warehouse._database.writing() as connection:
        connection.execute(insert(vectors).values(model_digest="d", text_hash="h", vector=b"12345"))
    with pytest.raises(BackendError, match="5 bytes"):
        warehouse.vectors("d", ["h"])


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM document_versions WHERE document_id = :id",
        "UPDATE document_versions SET text = 'another' WHERE document_id = :id",
        "UPDATE document_versions SET metadata = '{' WHERE document_id = :id",
        "UPDATE documents SET content_hash = 'another' WHERE id = :id",
    ],
)
def test_a_document_that_is_not_there_as_it_was_stored_is_an_error_and_can_be_stored_again(
    warehouse: Warehouse, damage: str
) -> None:
    from sqlalchemy import text

    from llm_engineering.infrastructure.warehouse.sql import SqlWarehouse

    assert isinstance(warehouse, SqlWarehouse)
    run = warehouse.start_run("feature", {})
    stored = sorted([document("a"), document("b", provenance={"sha256": "x"}), document("c")], key=lambda one: one.id)
    warehouse.put(stored, run)
    lost, ids = document("b"), [one.id for one in stored]
    with warehouse._database.writing() as connection:
        connection.execute(text(damage), {"id": lost.id})
    found = []
    with pytest.raises(DamagedDocuments, match=r"1 documents .* the first is file:///b\.md") as raised:
        found.extend(warehouse.documents(ids))
    assert raised.value.ids == {lost.id}
    assert found == [one for one in stored if one.id != lost.id], "the others come first"
    warehouse.doubt(raised.value.ids, run)
    assert warehouse.provenance(lost.id) == {}, "no checksum says that it is unchanged"
    assert warehouse.states("docs")[lost.id] != lost.content_hash
    warehouse.put([lost], warehouse.start_run("feature", {}))
    assert lost in list(warehouse.documents(ids))


# Snapshots and lineage


def test_documents_come_as_they_were_indexed_whatever_became_of_them_since(warehouse: Warehouse) -> None:
    run = warehouse.start_run("etl", {})
    kept, edited, gone = document("a"), document("b", key="k"), document("c", source="d/é")
    warehouse.put([kept, edited, gone], run)
    version = warehouse.register_index("docs", manifest(), run).version
    states = [DocumentState(one.id, one.content_hash) for one in (kept, edited, gone)]
    warehouse.record_indexed("docs", version, [(state, []) for state in states], run)
    later = warehouse.start_run("etl", {})
    warehouse.put([document("b", key="k", text="Edited.")], later)
    warehouse.bury([gone.id], later)
    assert warehouse.indexed_sources("docs", version) == ["d/é", "docs"]
    found = list(warehouse.indexed_documents("docs", version, "docs"))
    assert [row.id for row in found] == sorted([kept.id, edited.id])
    assert [row.document for row in found] == sorted([kept, edited], key=lambda one: one.id)
    assert {row.run for row in found} == {run}
    assert [row.document for row in warehouse.indexed_documents("docs", version, "d/é")] == [gone]
    assert warehouse.uris([edited.id, gone.id, "absent"]) == {edited.id: f"{edited.uri}#k", gone.id: gone.uri}


def test_a_text_that_came_back_after_a_change_is_one_document(warehouse: Warehouse) -> None:
    for text in ("First.", "Second.", "First."):
        warehouse.put([document("a", text=text)], warehouse.start_run("etl", {}))
    version = warehouse.register_index("docs", manifest(), 1).version
    first = document("a", text="First.")
    warehouse.record_indexed("docs", version, [(DocumentState(first.id, first.content_hash), [])], 1)
    assert [(row.text, row.run) for row in warehouse.indexed_documents("docs", version, "docs")] == [("First.", 3)]


def test_large_texts_and_many_documents_are_iterated_in_order(warehouse: Warehouse) -> None:
    run = warehouse.start_run("etl", {})
    documents = [document(f"{n}", text="x" * (1_500_000 if n < 4 else 10)) for n in range(1_100)]
    warehouse.put(documents, run)
    version = warehouse.register_index("docs", manifest(), run).version
    entries = [(DocumentState(one.id, one.content_hash), list[IndexedChunk]()) for one in documents]
    warehouse.record_indexed("docs", version, entries, run)
    found = [(row.id, len(row.text)) for row in warehouse.indexed_documents("docs", version, "docs")]
    assert found == sorted((one.id, len(one.text)) for one in documents)


def test_what_was_made_from_documents_is_noted_once_for_each_id(warehouse: Warehouse) -> None:
    run = warehouse.start_run("export", {})
    export = Derivative(id="e", kind="export", name="docs/v1", place="/exports/é", run=run)
    warehouse.record_derivative(export, ["a", "b", "a"])
    warehouse.record_derivative(export.model_copy(update={"name": "docs/v2"}), ["b"])
    assert [(one.id, one.name, one.place) for one in warehouse.derivatives()] == [("e", "docs/v2", "/exports/é")]
    assert warehouse.derivatives()[0].at


# Erasure and lineage


def traces(*documents: Document, **more: Any) -> Traces:
    known = {"document_ids": {each.id for each in documents}, "uris": {each.uri for each in documents}}
    target = Target(kind="uri", name=documents[0].uri if documents else "")
    return Traces.model_validate({"target": target, **known, **more})


def test_erasing_removes_every_row_of_a_document_and_no_other(warehouse: Warehouse) -> None:
    kept, gone = document("kept"), document("gone")
    run = warehouse.start_run("feature", {"ingest": {"urls": [kept.uri, gone.uri]}})
    warehouse.put([kept, gone], run)
    warehouse.put([document("gone", text="another version")], warehouse.start_run("feature", {}))
    warehouse.reject([Rejection(gone.uri, "other", "paywall", "no"), Rejection(kept.uri, "other", "x", "no")], run)
    warehouse.register_index("c", manifest(), run)
    record(warehouse, "c", "v1", [(state("kept"), ["k"]), (state("gone"), ["g"])], run)
    warehouse.put_vectors("d", {f"text of {name}": array("f", [1.0]) for name in ("k", "g", "an old chunk")})
    warehouse.finish_run(run, "completed", {"found": 2, "rejections": [{"uri": gone.uri, "detail": "says secrets"}]})
    rows = warehouse.erase(traces(gone), run)
    assert (rows["documents"], rows["document_versions"], rows["rejections"], rows["runs"]) == (1, 2, 1, 1)
    assert [found.id for found in warehouse.document_records("source", ["docs"])] == [kept.id]
    assert chunk_ids(warehouse, "c", "v1") == ["k"]
    assert set(warehouse.vectors("d", ["text of k", "text of g", "text of an old chunk"])) == {"text of k"}
    assert [item.uri for item in warehouse.rejections(run)] == [kept.uri]
    record_of_run = warehouse.run_record(run)
    assert gone.uri not in repr(record_of_run)
    assert kept.uri in repr(record_of_run)
    assert record_of_run["report"]["found"] == 2  # type: ignore[index]
    assert warehouse.erase(traces(gone), run) == dict.fromkeys(rows, 0)


def test_what_is_forgotten_is_remembered_by_its_digest_only(warehouse: Warehouse) -> None:
    run = warehouse.start_run("forget", {})
    found = traces(document("gone"), sources={"docs"}, texts={digest_of("text", "x")})
    warehouse.remember_forgotten(found.digests, run)
    warehouse.remember_forgotten(found.digests, run)
    forgotten = Forgotten(warehouse.forgotten())
    assert forgotten.hides(document("gone"))
    assert not forgotten.hides(document("kept"))
    assert not forgotten.has("source", "docs")  # a document of it was the target, not the source


def test_a_closed_run_can_neither_erase_nor_remember(warehouse: Warehouse) -> None:
    run = warehouse.start_run("forget", {})
    warehouse.finish_run(run, "failed", {})
    with pytest.raises(BackendError, match="closed as failed"):
        warehouse.erase(traces(document("a")), run)
    with pytest.raises(BackendError, match="closed as failed"):
        warehouse.remember_forgotten({"d": "uri"}, run)


def test_documents_are_found_by_id_uri_source_and_author(warehouse: Warehouse) -> None:
    ada = user("Ada", "Lovelace")
    mine, named, other = (
        document("mine", user_id=ada.id),
        document("named", metadata={"author": "ada LOVELACE"}),
        document("other"),
    )
    run = warehouse.start_run("feature", {})
    warehouse.put([mine, named, other], run)
    warehouse.put([document("mine", text="new")], warehouse.start_run("feature", {}))  # he was the author once
    assert [found.id for found in warehouse.document_records("id", [mine.id, "no\x00ne"])] == [mine.id]
    assert [found.uri for found in warehouse.document_records("uri", [named.uri])] == [named.uri]
    assert len(warehouse.document_records("source", ["docs"])) == 3
    assert {found.id for found in warehouse.document_records("user", [ada.id])} == {mine.id, named.id}
    assert [version.run for version in warehouse.version_records(mine.id)] == [1, 2]
    assert sorted(warehouse.texts_of([mine.id])) == ["Text of mine.", "new"]
    same = warehouse.with_texts({digest_of("text", "Text of mine."): len("Text of mine.")})
    assert [found.id for found in same] == [mine.id]


def test_derivatives_stay_linked_to_the_digests_of_forgotten_documents(warehouse: Warehouse) -> None:
    run = warehouse.start_run("train", {})
    warehouse.put([document("a"), document("b")], run)
    model = Derivative(id="m", kind="model", name="gpt", place="/models/gpt", run=run)
    warehouse.record_derivative(model, [document("a").id, document("b").id])
    assert [made.id for made in warehouse.derivatives_of([document("a").id])] == ["m"]
    warehouse.erase(traces(document("a")), run)
    assert set(warehouse.derived_from("m")) == {document("b").id, digest_of("document", document("a").id)}
    assert [made.id for made in warehouse.derivatives_of([document("a").id])] == ["m"]
    warehouse.drop_derivatives(["m", "unknown"])
    assert warehouse.derivatives() == []
    assert warehouse.derived_from("m") == []


def test_chunks_and_documents_are_found_in_every_ledger(warehouse: Warehouse) -> None:
    run = warehouse.start_run("feature", {})
    for collection in ("c", "d"):
        warehouse.register_index(collection, manifest(), run)
        record(warehouse, collection, "v1", [(state("a"), ["x", "y"]), (state("b"), ["z"])], run)
    assert [(found.collection, found.version, found.run) for found in warehouse.chunk_records("x")] == [
        ("c", "v1", run),
        ("d", "v1", run),
    ]
    held = warehouse.indexed_records([document("a").id, document("b").id])
    assert [(found.collection, found.documents, found.chunks) for found in held] == [("c", 2, 3), ("d", 2, 3)]
    assert warehouse.chunk_records("no\x00ne") == []


def test_compacting_keeps_everything_that_was_not_erased(warehouse: Warehouse) -> None:
    run = warehouse.start_run("feature", {})
    warehouse.put([document(f"d{number}", text="x" * 10_000) for number in range(20)], run)
    warehouse.erase(traces(document("d1")), run)
    warehouse.compact()
    warehouse.compact()
    assert len(list(warehouse.documents(state.document_id for state in warehouse.live()))) == 19
    assert warehouse.start_run("feature", {}) == run + 1


def test_known_vectors_are_told_without_reading_them(warehouse: Warehouse) -> None:
    warehouse.put_vectors("m", {f"{n:064x}": array("f", [1.0]) for n in range(1_200)})
    asked = [f"{n:064x}" for n in range(600, 1_800)]
    assert warehouse.known_vectors("m", asked) == {f"{n:064x}" for n in range(600, 1_200)}
    assert warehouse.known_vectors("another", asked) == set()


def test_the_rate_of_a_model_is_that_of_its_last_runs(warehouse: Warehouse) -> None:
    assert warehouse.embedding_rate("m") is None
    for tokens in (1, 10, 20, 30, 40, 50):
        run = warehouse.start_run("feature", {})
        warehouse.record_embedding("m", EmbeddingRate(tokens=tokens, seconds=0.5, opening=2.0), run)
    assert warehouse.embedding_rate("m") == EmbeddingRate(tokens=150, seconds=2.5, opening=2.0, runs=5)
    assert warehouse.embedding_rate("another") is None


def test_all_versions_of_documents_are_told_the_newest_first_also_of_gone_ones(warehouse: Warehouse) -> None:
    runs = [warehouse.start_run("test", {}) for _ in range(3)]
    for run in runs:
        warehouse.put([document("a", text=f"Text {run}"), document("b")], run)
    warehouse.bury([document("a").id], runs[-1])
    ids = [document("b").id, document("a").id, "unknown", document("a").id]
    stored = [(one.id, one.text) for one in warehouse.stored_versions(ids)]
    assert [text for key, text in stored if key == document("a").id] == [f"Text {run}" for run in reversed(runs)]
    assert [text for key, text in stored if key == document("b").id] == ["Text of b."]
    assert [key for key, _ in stored] == sorted(key for key, _ in stored)
    assert list(warehouse.stored_versions([])) == []


def test_versions_that_are_long_together_are_read_page_by_page(warehouse: Warehouse) -> None:
    run, text = warehouse.start_run("test", {}), "long " * 300_000
    for name in "abc":
        warehouse.put([document(name, text=f"{name} {text}")], run)
    wanted = [document(name).id for name in "abc"]
    assert sum(len(text) for _ in wanted) > 4_000_000
    assert {one.id: one.text[:2] for one in warehouse.stored_versions(wanted)} == {
        document(name).id: f"{name} " for name in "abc"
    }


def test_places_of_indexed_documents_come_in_order(warehouse: Warehouse) -> None:
    run = warehouse.start_run("etl", {})
    documents = [document(f"{n}", key="k" if n else "") for n in range(20)]
    warehouse.put(documents, run)
    version = warehouse.register_index("docs", manifest(), run).version
    warehouse.record_indexed("docs", version, [(DocumentState(one.id, "h"), []) for one in documents[:15]], run)
    found = [(place.id, place.uri, place.key) for place in warehouse.indexed_places("docs", version)]
    assert found == sorted((one.id, one.uri, one.key) for one in documents[:15])


def test_only_a_warehouse_that_is_there_and_up_to_date_is_opened_without_writing(url: str, tmp_path: Path) -> None:
    assert existing_warehouse(url) is None
    assert not list(tmp_path.iterdir())
    open_warehouse(url).close()
    opened = existing_warehouse(url)
    if url == "sqlite://":
        assert opened is None  # one in memory is gone with its last connection
    else:
        assert opened is not None
        assert list(opened.live()) == []
        opened.close()


# Looking through


def test_the_list_goes_by_source_and_id_whatever_the_pages(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llm_engineering.infrastructure.warehouse import looking, paging

    monkeypatch.setattr(looking, "ROWS_PER_PAGE", 3)
    monkeypatch.setattr(looking, "pages", lambda fetch: paging.pages(fetch, size=3))
    run = warehouse.start_run("feature", {})
    many = [document(f"{name}", source=source) for source in ("b", "a", "Ä \x00") for name in range(5)]
    warehouse.put(many, run)
    warehouse.bury([many[0].id], run)
    listed = list(warehouse.listing())
    assert {found.id for found in listed} == {each.id for each in many[1:]}
    assert len(listed) == 14
    by_source = [found.source for found in listed]
    assert len([1 for one, other in pairwise(by_source) if one != other]) == 2
    assert [found.source for found in warehouse.listing("b")] == ["b"] * 4
    counts = {count.source: (count.live, count.gone) for count in warehouse.source_counts()}
    assert counts == {"a": (5, 0), "b": (4, 1), "Ä \x00": (5, 0)}


def test_the_list_of_an_author_has_what_the_metadata_name(warehouse: Warehouse) -> None:
    run = warehouse.start_run("feature", {})
    ada = user("Ada", "Lovelace")
    mine = [document("a", user_id=ada.id), document("b", metadata={"author": "Ada  Lovelace"})]
    warehouse.put([*mine, document("c"), document("d", metadata={"author": "Plato"})], run)
    assert {found.id for found in warehouse.listing(user_id=ada.id)} == {each.id for each in mine}
    assert warehouse.users([ada.id, "nobody"]) == []
    warehouse.get_or_create_user(ada)
    assert list(warehouse.users([ada.id, "nobody"])) == [ada]


def test_refusals_are_the_newest_of_each_item_and_the_newest_first(warehouse: Warehouse) -> None:
    first, second = warehouse.start_run("feature", {}), warehouse.start_run("feature", {})
    walled, empty = (Rejection(f"https://e.org/{name}", "web", name, f"it is {name}") for name in ("wall", "empty"))
    warehouse.reject([walled, empty], first)
    warehouse.reject([walled], second)
    assert [(found.run, found.reason) for found in warehouse.refusals()] == [(second, "wall"), (first, "empty")]
    assert [found.reason for found in warehouse.refusals(reason="empty")] == ["empty"]
    assert list(warehouse.refusals(source="files")) == []
    third = warehouse.start_run("feature", {})
    warehouse.put([document(uri=empty.uri, source="web")], third)
    assert [found.reason for found in warehouse.refusals()] == ["wall"], "what was stored since is settled"


def test_a_second_look_forgets_the_rejection_and_what_says_that_a_copy_is_good(warehouse: Warehouse) -> None:
    run = warehouse.start_run("feature", {})
    etag = {"etag": "1"}
    kept = [document("a", provenance=etag), document("a", key="1", provenance=etag), document("b", provenance=etag)]
    warehouse.put(kept, run)
    rejection = Rejection(kept[0].uri, "docs", "blocked", "a wall")
    later = warehouse.start_run("feature", {})
    warehouse.reject([rejection], later)
    warehouse.look_again([(rejection.source, rejection.uri, rejection.document_id)], later)
    assert list(warehouse.refusals()) == []
    assert [warehouse.provenance(each.id) for each in kept] == [{}, {}, etag]
    assert [found.text for found in warehouse.documents([kept[0].id])] == [kept[0].text], "the document stays"


def test_a_document_stands_in_the_ledgers_with_its_hash(warehouse: Warehouse) -> None:
    run = warehouse.start_run("feature", {})
    warehouse.put([document("a")], run)
    version = warehouse.register_index("test", manifest(), run).version
    record(warehouse, "test", version, [(state("a"), ["c1", "c2"])], run)
    held = [
        (found.collection, found.version, found.content_hash, found.chunks)
        for found in warehouse.ledger_records(document("a").id)
    ]
    assert held == [("test", "v1", "h", 2)]
    assert list(warehouse.ledger_records("nothing \x00")) == []

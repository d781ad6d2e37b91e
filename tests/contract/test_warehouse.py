"""The contract of the port `Warehouse`, on SQLite in a file, SQLite in memory, and PostgreSQL where there is one."""

import math
import os
import subprocess
import tempfile
from array import array
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from llm_engineering.domain.documents import Document, Rejection
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.indexes import DocumentState, IndexManifest, ModelCard
from llm_engineering.domain.ports import Warehouse
from llm_engineering.domain.users import User
from llm_engineering.infrastructure.warehouse import open_warehouse

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
_numbers = count()


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


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A throw-away PostgreSQL cluster that listens on a socket in a temporary folder only."""
    pytest.importorskip("psycopg", reason="PostgreSQL's driver (psycopg) is not installed")
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not installed:
        pytest.skip("no PostgreSQL server in /usr/lib/postgresql")
    as_user: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as folder:
        Path(folder).chmod(0o777)

        def call(program: str, *arguments: str) -> None:
            command = [str(installed[-1] / program), *arguments]
            subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, **as_user)

        data = f"{folder}/data"
        call("initdb", "--pgdata", data, "--username", "tester", "--auth", "trust", "--no-sync", "--encoding", "UTF8")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        call("pg_ctl", "start", "--wait", "--pgdata", data, "--log", f"{folder}/log", "--options", options)
        try:
            yield f"postgresql+psycopg://tester@/{{name}}?host={folder}"
        finally:
            call("pg_ctl", "stop", "--mode", "immediate", "--pgdata", data)


@pytest.fixture(params=["sqlite file", "sqlite memory", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite memory":
        return "sqlite://"
    if request.param == "sqlite file":
        return f"sqlite:///{tmp_path / 'warehouse.db'}"
    template = request.getfixturevalue("postgresql")
    name = f"w{next(_numbers)}"
    import psycopg

    with psycopg.connect(template.format(name="postgres").replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return str(template.format(name=name))


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
    warehouse.record_indexed("a", "v1", entries, run=1)
    assert list(warehouse.indexed("a", "v1")) == sorted((s for s, _ in entries), key=lambda s: s.document_id)
    assert sorted(warehouse.indexed_chunks("a", "v1")) == ["c1", "c2", "c3"]
    assert sorted(warehouse.indexed_chunks("a", "v1", [state("x").document_id, "unknown"])) == ["c1", "c2"]
    assert list(warehouse.indexed_chunks("a", "v1", [])) == []


def test_recording_a_document_again_replaces_its_hash_and_chunks(warehouse: Warehouse) -> None:
    warehouse.register_index("a", manifest(), run=1)
    warehouse.record_indexed("a", "v1", [(state("x", "old"), ["c1", "c2"]), (state("y"), ["c9"])], run=1)
    warehouse.record_indexed("a", "v1", [(state("x", "new"), ["c2", "c3"])], run=2)
    assert {s.document_id: s.content_hash for s in warehouse.indexed("a", "v1")} == {
        state("x").document_id: "new",
        state("y").document_id: "h",
    }
    assert sorted(warehouse.indexed_chunks("a", "v1")) == ["c2", "c3", "c9"]


def test_a_forgotten_document_leaves_only_that_ledger(warehouse: Warehouse) -> None:
    for fingerprint in ("x", "y"):
        version = warehouse.register_index("a", manifest(fingerprint), run=1).version
        warehouse.record_indexed("a", version, [(state("x"), ["c1"])], run=1)
    warehouse.forget_indexed("a", "v1", [state("x").document_id, "unknown"])
    assert list(warehouse.indexed("a", "v1")) == []
    assert list(warehouse.indexed_chunks("a", "v1")) == []
    assert list(warehouse.indexed_chunks("a", "v2")) == ["c1"]


def test_a_document_that_is_recorded_twice_in_a_call_is_refused(warehouse: Warehouse) -> None:
    warehouse.register_index("a", manifest(), run=1)
    with pytest.raises(ValueError, match="twice"):
        warehouse.record_indexed("a", "v1", [(state("x"), ["c1"]), (state("x"), ["c2"])], run=1)
    assert list(warehouse.indexed("a", "v1")) == []


def test_a_ledger_of_many_pages_is_read_completely(warehouse: Warehouse) -> None:
    warehouse.register_index("a", manifest(), run=1)
    entries = [(state(str(number)), [f"{number}-{part}" for part in range(5)]) for number in range(2_100)]
    entries.append((state("large"), [f"large-{part}" for part in range(6_000)]))
    warehouse.record_indexed("a", "v1", entries, run=1)
    assert [s.document_id for s in warehouse.indexed("a", "v1")] == sorted(s.document_id for s, _ in entries)
    expected = sorted(chunk for _, chunks in entries for chunk in chunks)
    assert sorted(warehouse.indexed_chunks("a", "v1")) == expected
    assert sorted(warehouse.indexed_chunks("a", "v1", [s.document_id for s, _ in entries])) == expected


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

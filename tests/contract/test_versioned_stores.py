"""What the layer below most vector stores adds to their contract: generations, runs, dead writers.

Each engine is opened as in production: PostgreSQL with pgvector on a socket, FAISS, LanceDB and Chroma in a folder,
ClickHouse's engine and Qdrant behind stand-ins for their servers.
"""

from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import pytest
from byte_scan import places_of
from clickhouse_stand_in import new_clickhouse
from postgresql_server import new_database
from pydantic import ValidationError
from qdrant_stand_in import StandIn, stand_in

from llm_engineering.domain.chunks import Point, SparseVector
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.indexes import IndexManifest, ModelCard
from llm_engineering.domain.ports import VectorIndex
from llm_engineering.infrastructure.vector_stores import ENGINES, EngineSpec, Faiss, Lancedb, Pgvector, Qdrant
from llm_engineering.infrastructure.vector_stores.versioned import Row
from llm_engineering.infrastructure.vector_stores.versioned.generations import FOREVER, stored_key, table_name
from llm_engineering.infrastructure.vector_stores.versioned.store import VersionedStore

KINDS = {spec.name(): spec for spec in ENGINES} | {"qdrant": Qdrant}
Opener = Callable[..., VersionedStore]
NORTH = array("f", (1, 0, 0, 0))
TERM = SparseVector((1,), (1.0,))
TABLE = table_name("notes", "v1")


def manifest(version: str = "v1", dimension: int = 4, fingerprint: str = "f1") -> IndexManifest:
    card = ModelCard(name="tiny", digest="d1", dimension=dimension, max_tokens=16)
    return IndexManifest(version=version, fingerprint=fingerprint, model=card)


def point_id(name: object) -> str:
    return str(uuid5(NAMESPACE_URL, str(name)))


def point(name: object, text: str = "", terms: tuple[int, ...] = (1,), **metadata: object) -> Point:
    payload = {"uri": f"file:///{name}", "source": "notes", "document_id": str(name), "text": text}
    sparse = SparseVector(terms, (1.0,) * len(terms))
    return Point(point_id(name), NORTH, sparse, {**payload, "metadata": metadata})


@pytest.fixture
def qdrant() -> Iterator[StandIn]:
    with stand_in() as running:
        yield running


def opener(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Opener]:
    """Yield what opens the one collection of a test, as each process does for itself."""
    spec = KINDS[kind]
    settings: dict[str, object] = {}
    if kind == "clickhouse":
        monkeypatch = request.getfixturevalue("monkeypatch")
        monkeypatch.setenv(
            "LLM_ENGINEERING_CLICKHOUSE_URL", new_clickhouse(request.getfixturevalue("clickhouse_server"))
        )
    if kind == "pgvector":
        settings = {"url": new_database(request.getfixturevalue("pgvector_server")).replace("+psycopg", "")}
    if kind == "qdrant":
        settings = {"url": request.getfixturevalue("qdrant").url}
    stores: list[VersionedStore] = []

    def open_store(run: int = 0, collection: str = "notes", **more: object) -> VersionedStore:
        stores.append(spec.model_validate({**settings, **more}).open(folder, collection, run))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


TABLES = ("pgvector", "faiss", "lancedb", "chroma", "clickhouse")


@pytest.fixture(params=[*TABLES, "qdrant"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    yield from opener(request.param, request, tmp_path)


@pytest.fixture(params=TABLES)
def tables(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """As `opened`, where the rows of all generations are in a table that a test can look into."""
    yield from opener(request.param, request, tmp_path)


def written(store: VersionedStore, *points: Point, version: str = "v1") -> None:
    with store.write(manifest(version)) as index:
        index.upsert(points)
    store.publish(version)


def texts(index: VectorIndex) -> dict[str, object]:
    return {found.id: found.payload["text"] for found in index.scan()}


def rows_in(store: VersionedStore) -> int:
    """Return how many rows the engine keeps, of all generations."""
    from llm_engineering.domain.conditions import EVERYTHING

    return store._books.engine.count(TABLE, EVERYTHING)


def test_nothing_unpublished_is_seen_by_any_way_of_reading(opened: Opener) -> None:
    store, other = opened(), opened()
    written(store, point("kept", "old"), point("replaced", "old"), point("removed", "old"))
    with store.write(manifest()) as index, other.read() as opened_before:
        index.upsert([point("replaced", "new"), point("added", "new", terms=(1, 2))])
        index.delete([point_id("removed")])
        index.flush()
        with other.read() as opened_after:
            for reader in (opened_before, opened_after):
                old = {point_id(name): "old" for name in ("kept", "replaced", "removed")}
                assert texts(reader) == old
                assert sorted(reader.ids()) == sorted(old)
                assert set(reader.get([*old, point_id("added")])) == set(old)
                assert reader.count() == reader.count({"source": "notes"}) == 3
                assert reader.count({"document_id": "added"}) == reader.count({"text": "new"}) == 0
                assert {hit.id for hit in reader.search_dense(NORTH, 10)} == set(old)
                assert {hit.id for hit in reader.search_sparse(TERM, 10)} == set(old)
                assert reader.search_sparse(SparseVector((2,), (1.0,)), 10) == []
        new = {point_id("kept"): "old", point_id("replaced"): "new", point_id("added"): "new"}
        assert texts(index) == new
        assert index.count({"text": "new"}) == 2
        store.publish("v1")
        with other.read() as opened_later:
            assert texts(opened_later) == new
        assert texts(opened_before) == old


def test_a_writer_goes_on_after_it_has_published(opened: Opener) -> None:
    store = opened()
    with store.write(manifest()) as index:
        for text in ("one", "two", "three"):
            index.upsert([point("a", text)])
            index.flush()
            store.publish("v1")
            index.upsert([point("a", "unpublished")])
            index.flush()
            with store.read() as reader:
                assert list(texts(reader).values()) == [text]


def test_what_is_unpublished_is_known_also_to_others(opened: Opener) -> None:
    store, other = opened(), opened()
    assert not other.unpublished("v1")
    written(store, point("a"))
    assert not other.unpublished("v1")
    for change in ("upsert", "delete"):
        with store.write(manifest()) as index:
            index.upsert([point("a", "new")]) if change == "upsert" else index.delete([point_id("a")])
        assert other.unpublished("v1")
    before = other.publication()
    store.publish("v1")
    assert other.publication() != before
    store.publish("v1")  # nothing has changed
    assert not other.unpublished("v1")


def test_what_nobody_sees_any_more_is_deleted_and_readers_have_their_time_before(tables: Opener) -> None:
    patient = tables()
    written(patient, point("a", "one"), point("b", "one"))
    with patient.read() as reader:
        written(patient, point("a", "two"))
        written(patient, point("a", "three"))
        assert texts(reader) == {point_id("a"): "one", point_id("b"): "one"}
        assert rows_in(patient) == 4
    hasty = tables(reader_seconds=0)
    with hasty.write(manifest()):
        pass
    assert rows_in(hasty) == 2
    with hasty.read() as reader:
        assert texts(reader) == {point_id("a"): "three", point_id("b"): "one"}


def test_what_a_killed_writer_did_not_end_is_ended_by_the_next(tables: Opener) -> None:
    store = tables()
    written(store, point("a", "old"))
    with store.write(manifest()) as index:
        index.upsert([point("b")])
    newer = point("a", "new")
    key = stored_key(newer.id, 2)
    store._books.engine.write(TABLE, [Row(key, newer.id, 2, FOREVER, newer.dense, newer.sparse, newer.payload)])
    with store.write(manifest()) as index:
        assert texts(index) == {point_id("a"): "new", point_id("b"): ""}
        assert len(list(index.ids())) == index.count() == 2


def test_frequencies_of_words_are_those_of_what_is_seen(opened: Opener) -> None:
    store = opened()
    written(store, point("a", terms=(1, 2)), point("b", terms=(1,)))
    with store.read() as reader:
        before = reader.search_sparse(TERM, 5)[0].score
        with store.write(manifest()) as index:
            index.upsert([point(name, terms=(1,)) for name in range(20)])
        assert reader.search_sparse(TERM, 5)[0].score == before
        with store.read() as again:
            assert again.search_sparse(TERM, 5)[0].score == pytest.approx(before)


def test_a_run_that_was_overtaken_cannot_write_or_switch(tables: Opener) -> None:
    old, new = tables(run=3), tables(run=4)
    refused = r"run 3 may not write to collection 'notes'.*run 4 took it over"
    working = old.write(manifest())
    stale = working.__enter__()
    stale.upsert([point("before")])
    stale.flush()
    old.publish("v1")
    with new.write(manifest("v2", fingerprint="f2")) as index:
        for write in (lambda: stale.upsert([point("late")]), lambda: stale.delete([point_id("before")])):
            with pytest.raises(BackendError, match=refused):
                write()
        index.upsert([point("after")])
    new.publish("v2")
    with pytest.raises(BackendError, match=refused):
        working.__exit__(None, None, None)
    for switch in (old.activate, old.publish, old.drop):
        with pytest.raises((BackendError, UsageError), match=refused):
            switch("v1")
    with new.read() as index:
        assert list(index.ids()) == [point_id("after")]


def test_an_index_whose_writer_died_at_work_says_so_once(opened: Opener) -> None:
    dead = opened(run=1).write(manifest())
    dead.__enter__().upsert([point("a")])
    later = opened(run=2)
    with later.write(manifest()) as index:
        assert index.interrupted
        assert list(index.ids()) == [point_id("a")]
        index.upsert([point("b")])
    with later.write(manifest()) as index:
        assert not index.interrupted


def test_a_version_that_was_dropped_comes_back_empty(opened: Opener) -> None:
    store = opened()
    written(store, point("a"))
    written(store, point("b"), version="v2")
    store.drop("v1")
    with store.write(manifest()) as index:
        assert index.count() == 0
    assert not [name for name in ("v1",) if not store.unpublished(name)]


def test_two_collections_share_a_place(opened: Opener, tmp_path: Path) -> None:
    store = opened()
    written(store, point("a"))
    other = opened(collection="notes-2")
    assert other.versions() == {}
    assert other.active() is None
    other.close()


def test_a_table_with_vectors_of_another_model_is_refused_with_what_to_do(tables: Opener) -> None:
    store = tables()
    written(store, point("a"))
    with pytest.raises(UsageError, match="under a new version"), store.write(manifest(fingerprint="f2")):
        pass
    with pytest.raises(UsageError, match=r"4 components, and the model makes 8.*load: collection"):
        store._books.engine.create(TABLE, 8, ())


def test_payloads_come_back_as_they_were(tables: Opener) -> None:
    odd: dict[str, object] = {
        "zero": "a\x00b", "huge": 10**40, "tiny": 5e-324, "whole": 3.0, "minus": -0.0, "mixed": "ß\u2028😀'\"\\",
        "list": [1, 2.0, None], "none": None, "1e300": 1e300, "": "", "a\x00": 1,
    }  # fmt: skip
    store = tables()
    written(store, point("a", **odd))
    with store.read() as index:
        found = index.search_dense(NORTH, 1)[0].payload["metadata"]
        assert repr(found) == repr(odd)
        for name in ("zero", "huge", "tiny", "whole", "mixed", "1e300", "", "a\x00"):
            value = odd[name]
            assert isinstance(value, str | int | float)
            assert index.count({f"metadata.{name}": value}) == 1, name
            assert len(index.search_sparse(TERM, 5, {f"metadata.{name}": value})) == 1, name
        assert index.count({"metadata.huge": 10**40 + 1}) == 0


@pytest.mark.parametrize("bad", [{"_from": 1}, {"score": float("nan")}, {"text": "\ud800"}, {"object": object()}])
def test_a_payload_that_would_not_come_back_is_refused(opened: Opener, bad: dict[str, object]) -> None:
    one = point("a")
    with opened().write(manifest()) as index:
        with pytest.raises(BackendError, match=one.id):
            index.upsert([Point(one.id, one.dense, one.sparse, {**one.payload, **bad})])
        assert index.count() == 0


def test_hits_are_as_many_as_asked_for_also_where_the_engine_cannot_say_the_filter(opened: Opener) -> None:
    store = opened()
    points = [point(number, "rare" if number % 50 == 0 else "common") for number in range(1_000)]
    written(store, *points)
    with store.read() as index:
        assert len(index.search_dense(NORTH, 20, {"text": "rare"})) == 20
        assert len(index.search_sparse(TERM, 15, {"text": "rare"})) == 15
        assert len(index.search_dense(NORTH, 100, {"text": "rare"})) == 20


def test_above_the_threshold_a_graph_finds_the_same_and_a_filter_gets_all_that_there_is(opened: Opener) -> None:
    import math

    try:
        store = opened(exact_up_to=300)
    except ValidationError:
        pytest.skip("this engine has no threshold between two ways to search")
    points = []
    for n in range(1_500):
        one = point(n, "", (n % 5,), part=n % 100)
        dense = array("f", (1.0, math.sin(n), math.cos(n * 0.7), math.sin(n * 1.3)))
        points.append(Point(one.id, dense, one.sparse, one.payload))
    query = array("f", (1, 0.2, 0.4, 0.1))
    with store.write(manifest()) as index:
        index.upsert(points)
        index.flush()
        exact = [hit.id for hit in index.search_dense(query, 20)]
        store.publish("v1")
    with opened(exact_up_to=300).read() as reader:
        assert len(set(exact) & {hit.id for hit in reader.search_dense(query, 20)}) >= 18
        hits = reader.search_dense(query, 15, {"metadata.part": 7})
        assert len(hits) == 15
        assert {hit.payload["metadata"]["part"] for hit in hits} == {7}  # type: ignore[index]
        assert len(reader.search_dense(query, 1_500)) == 1_500


def test_rows_of_somebody_else_are_shown_to_the_writer_alone_and_can_be_removed(tables: Opener) -> None:
    store = tables()
    written(store, point("a"))
    foreign = point("foreign")
    row = Row(foreign.id, foreign.id, 0, FOREVER, foreign.dense, foreign.sparse, foreign.payload)
    store._books.engine.write(TABLE, [row])
    with store.read() as reader:
        assert list(reader.ids()) == [point_id("a")]
        assert len(reader.search_dense(NORTH, 5)) == len(reader.search_sparse(TERM, 5)) == reader.count() == 1
    with store.write(manifest()) as index:
        assert set(index.ids()) == {point_id("a"), foreign.id}
        index.delete([foreign.id])
        assert list(index.ids()) == [point_id("a")]


def test_threads_search_while_another_process_writes_and_publishes(opened: Opener) -> None:
    from concurrent.futures import ThreadPoolExecutor
    from threading import Event

    store, searching = opened(), opened()
    written(store, *(point(n) for n in range(50)))
    done = Event()

    def search() -> int:
        looks = 0
        while not done.is_set() or not looks:
            with searching.read() as reader:
                count = reader.count()
                assert count % 50 == 0
                assert len(reader.search_dense(NORTH, 1_000)) == count
                assert len(reader.search_sparse(TERM, 1_000)) == count
                looks += 1
        return looks

    with ThreadPoolExecutor(3) as threads:
        looking = [threads.submit(search) for _ in range(3)]
        try:
            for part in range(1, 6):
                written(store, *(point(n) for n in range(50 * part, 50 * part + 50)))
        finally:
            done.set()
        assert all(each.result() for each in looking)
    with searching.read() as reader:
        assert reader.count() == 300


# PostgreSQL


def test_a_table_that_somebody_removed_is_said_and_made_again_by_the_next_run(pgvector_server: str) -> None:
    import psycopg

    address = new_database(pgvector_server).replace("+psycopg", "")
    store = Pgvector(url=address).open(Path(), "notes")
    written(store, point("a"))
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"DROP TABLE llm_engineering.{TABLE} CASCADE")
    with store.read() as index, pytest.raises(BackendError, match=r"somebody removed it.*feature pipeline"):
        index.search_dense(NORTH, 5)
    written(store, point("a"))
    with store.read() as index:
        assert list(index.ids()) == [point_id("a")]
    store.close()


def test_connections_that_the_server_ended_are_made_again(pgvector_server: str) -> None:
    import psycopg

    address = new_database(pgvector_server).replace("+psycopg", "")
    store = Pgvector(url=address).open(Path(), "notes")
    written(store, point("a"))
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'llm%'")
    with store.read() as index:
        assert index.count() == 1
    store.close()


# FAISS


def faiss_files(tmp_path: Path, pattern: str) -> list[Path]:
    return sorted((tmp_path / "vector_stores/faiss/notes").glob(pattern))


@pytest.mark.parametrize("damage", ["removed", "garbled", "empty"])
def test_a_file_of_vectors_that_is_damaged_or_gone_is_made_again(tmp_path: Path, damage: str) -> None:
    written(Faiss().open(tmp_path, "notes"), point("a"), point("b"))
    (file,) = faiss_files(tmp_path, "*.faiss")
    file.unlink()
    if damage != "removed":
        file.write_bytes(b"no index" if damage == "garbled" else b"")
    store = Faiss().open(tmp_path, "notes")
    with store.read() as index:
        assert len(index.search_dense(NORTH, 5)) == 2
    written(store, point("c"))
    assert len(faiss_files(tmp_path, "*.faiss")) == 1
    with Faiss().open(tmp_path, "notes").read() as index:
        assert len(index.search_dense(NORTH, 5)) == 3


@pytest.mark.parametrize("name", ["books.db", f"{TABLE}.db"])
def test_a_damaged_database_is_said_with_what_to_do(tmp_path: Path, name: str) -> None:
    first = Faiss().open(tmp_path, "notes")
    written(first, point("a"))
    first.close()
    (file,) = faiss_files(tmp_path, name)
    file.write_bytes(b"this is no database, and it is longer than the header of one would be" * 100)
    with (
        pytest.raises(BackendError, match=r"damaged.*remove .*run the feature pipeline"),
        Faiss().open(tmp_path, "notes").read() as index,
    ):
        index.count()


@pytest.mark.parametrize("spec", [Faiss(), Lancedb()], ids=lambda spec: spec.kind)
def test_a_purge_leaves_no_byte_of_a_document(tmp_path: Path, spec: EngineSpec) -> None:
    assert spec.capabilities.erases_bytes
    store = spec.open(tmp_path, "notes")
    written(store, point("a", "a word nobody else has: xylophagous", course="xylophagous"), point("b"))
    assert places_of(tmp_path, ["xylophagous"])
    assert store.purge(["a"]) == 1
    assert not places_of(tmp_path, ["xylophagous"])
    with store.read() as index:
        assert [hit.id for hit in index.search_dense(NORTH, 5)] == [point_id("b")]
    store.close()


def test_a_writer_in_another_process_is_named_and_its_death_frees_the_store(tmp_path: Path) -> None:
    import os
    import signal
    import subprocess
    import sys

    script = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path\n"
        "from test_versioned_stores import Faiss, manifest, point\n"
        "with Faiss().open(Path(sys.argv[1]), 'notes').write(manifest()) as index:\n"
        "    index.upsert([point('a')]); index.flush(); print('written', flush=True); sys.stdin.read()\n"
    )
    here = [str(Path(__file__).parents[level]) for level in range(3)]
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), *here],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        store = Faiss().open(tmp_path, "notes")
        with pytest.raises(BackendError, match=f"process {writer.pid}"), store.write(manifest()):
            pass
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
    with store.write(manifest()) as index:
        assert index.interrupted
        assert list(index.ids()) == [point_id("a")]

"""The feature pipeline with both stores away from this machine: a database by URL and a Qdrant server by URL.

The database is SQLite or a real PostgreSQL; the Qdrant server is a stand-in (see `qdrant_stand_in`).
"""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgresql_server import new_database, postgresql_server
from qdrant_stand_in import StandIn, stand_in

from llm_engineering import plain, stages
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import FeatureConfig, read_config
from llm_engineering.domain.reports import Report


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with stand_in(api_key="key of the test") as running:
        monkeypatch.setenv("LLM_ENGINEERING_QDRANT_URL", running.url)
        monkeypatch.setenv("LLM_ENGINEERING_QDRANT_API_KEY", "key of the test")
        yield running


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    with postgresql_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"], autouse=True)
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "postgresql":
        url = new_database(request.getfixturevalue("postgresql"))
        monkeypatch.setenv("LLM_ENGINEERING_WAREHOUSE_URL", url)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    for number in range(60):
        (folder / f"note-{number:02}.md").write_text(f"# Note {number}\n\nThe number of this note is {number}.\n")
    (folder / "lunch.txt").write_text("Lunch is served at noon in the garden.\n")
    return folder


def config(folder: Path) -> FeatureConfig:
    sources = f"ingest.sources=[{{kind: files, name: docs, root: {folder}}}]"
    return read_config(FeatureConfig, None, [sources, "embedding.kind=hashing"])


def run(folder: Path) -> Report:
    return plain.feature(config(folder))


def found(folder: Path, query: str) -> str:
    return Path(stages.search(config(folder), [query], {"source": "docs"}, 1)[0][0].uri).name


def seen(folder: Path) -> dict[str, object]:
    with Workspace().store(config(folder).load) as store, store.read() as index:
        return {point.id: (point.payload, list(point.dense), point.sparse) for point in index.scan()}


def test_an_index_follows_its_sources(server: StandIn, folder: Path, home: Path) -> None:
    first = run(folder)
    assert (first.new, first.points, first.written) == (61, first.chunks, first.chunks)
    assert found(folder, "where do we have lunch") == "lunch.txt"
    assert not (home / "feature_store").exists()

    before = list(server.requests)
    again = run(folder)
    assert (again.unchanged, again.embedded, again.written, again.removed) == (61, 0, 0, 0)
    written = [route for route in server.requests[len(before) :] if "points/batch" in route or "PUT" in route]
    assert not written

    (folder / "lunch.txt").write_text("Dinner is served at seven in the hall.\n")
    (folder / "note-07.md").unlink()
    edited = run(folder)
    assert (edited.changed, edited.deleted, edited.written, edited.removed) == (1, 1, 1, 2)
    assert found(folder, "when is dinner") == "lunch.txt"
    assert edited.points == len(seen(folder)) == first.points - 1
    assert not [text for text in map(str, seen(folder).values()) if "Lunch" in text or "note-07" in text]


def test_readers_see_the_index_before_a_run_or_after_it(server: StandIn, folder: Path) -> None:
    run(folder)
    before = seen(folder)
    for path in sorted(folder.glob("note-*.md"))[::2]:
        path.write_text(path.read_text() + "\nAnd it was edited.\n")
    looks: list[dict[str, object]] = []
    working = threading.Event()

    def look() -> None:
        while not working.is_set():
            looks.append(seen(folder))

    reader = threading.Thread(target=look)
    reader.start()
    run(folder)
    working.set()
    reader.join()
    after = seen(folder)
    assert after != before
    assert len(looks) > 2
    assert all(look in (before, after) for look in looks)


def test_a_server_that_goes_away_during_a_run_is_waited_for(server: StandIn, folder: Path) -> None:
    def pull_the_plug() -> None:
        while not any("points/batch" in route for route in server.requests):
            time.sleep(0.01)
        server.go_away(3.0)

    saboteur = threading.Thread(target=pull_the_plug)
    saboteur.start()
    report = run(folder)
    saboteur.join()
    assert report.seconds > 3
    assert (report.new, report.failed, report.points) == (61, 0, report.chunks)
    assert found(folder, "where do we have lunch") == "lunch.txt"
    assert run(folder).written == 0


def test_a_lost_server_is_filled_again_from_the_warehouse_without_embedding(server: StandIn, folder: Path) -> None:
    run(folder)
    before = seen(folder)
    for name in list(server.collections):
        server.delete(name, b"")
    again = run(folder)
    assert (again.embedded, again.reused) == (0, again.chunks)
    assert seen(folder) == before

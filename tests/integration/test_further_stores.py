"""The feature pipeline, searches and maintenance on the stores of the layer, as a user runs them."""

from pathlib import Path

import pytest
from clickhouse_stand_in import new_clickhouse
from postgresql_server import new_database

from llm_engineering import maintenance, plain, stages
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import FeatureConfig, read_config
from llm_engineering.domain.chunks import Point
from llm_engineering.domain.erasure import Target
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.value import identity
from llm_engineering.erasure import forget


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    for number in range(30):
        (folder / f"note-{number:02}.md").write_text(f"# Note {number}\n\nThe number of this note is {number}.\n")
    (folder / "lunch.txt").write_text("Lunch is served at noon in the garden.\n")
    return folder


@pytest.fixture(params=["pgvector", "faiss", "lancedb", "chroma", "clickhouse"])
def config(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureConfig:
    if request.param == "pgvector":
        address = new_database(request.getfixturevalue("pgvector_server")).replace("+psycopg", "")
        monkeypatch.setenv("LLM_ENGINEERING_PGVECTOR_URL", address)
    if request.param == "clickhouse":
        monkeypatch.setenv(
            "LLM_ENGINEERING_CLICKHOUSE_URL", new_clickhouse(request.getfixturevalue("clickhouse_server"))
        )
    sources = f"ingest.sources=[{{kind: files, name: docs, root: {folder}}}]"
    return read_config(FeatureConfig, None, [sources, "embedding.kind=hashing", f"load.store.kind={request.param}"])


def found(config: FeatureConfig, query: str) -> str:
    return Path(stages.search(config, [query], {"source": "docs"}, 1)[0][0].uri).name


def seen(config: FeatureConfig) -> dict[str, Point]:
    with Workspace().store(config.load) as store, store.read() as index:
        return {point.id: point for point in index.scan()}


def test_an_index_follows_its_sources(config: FeatureConfig, folder: Path, home: Path) -> None:
    first = plain.feature(config)
    assert (first.new, first.points, first.written) == (31, first.chunks, first.chunks)
    assert found(config, "where do we have lunch") == "lunch.txt"
    assert not (home / "feature_store").exists()
    again = plain.feature(config)
    assert (again.unchanged, again.embedded, again.written, again.removed) == (31, 0, 0, 0)
    (folder / "lunch.txt").write_text("Dinner is served at seven in the hall.\n")
    (folder / "note-07.md").unlink()
    edited = plain.feature(config)
    assert (edited.changed, edited.deleted, edited.written, edited.removed) == (1, 1, 1, 2)
    assert found(config, "when is dinner") == "lunch.txt"
    assert not [text for text in map(str, seen(config).values()) if "Lunch" in text or "note-07" in text]
    assert maintenance.verify(config).problems == ()


def test_other_settings_are_another_version_and_a_rollback_goes_back(config: FeatureConfig) -> None:
    plain.feature(config)
    before = seen(config)
    chunking = {"kind": "fixed", "max_tokens": 8, "overlap": 0}
    other = FeatureConfig.model_validate(config.model_dump(mode="json") | {"chunking": chunking})
    plain.feature(other)
    assert [(each.version, each.active) for each in maintenance.versions(other)] == [("v1", False), ("v2", True)]
    assert seen(other).keys() != before.keys()
    maintenance.rollback(other)
    assert seen(config) == before
    with pytest.raises(UsageError):
        maintenance.activate(config, "v9")
    maintenance.activate(config, "v2")
    assert maintenance.verify(other).problems == ()


def test_damage_is_found_and_mended_without_embedding(config: FeatureConfig) -> None:
    plain.feature(config)
    before = seen(config)
    with Workspace().store(config.load) as store:
        manifest = store.active()
        assert manifest is not None
        with store.write(manifest) as index:
            first, second, *_ = sorted(index.scan(), key=lambda point: point.id)
            index.delete([first.id])
            index.upsert([Point(identity("foreign"), second.dense, second.sparse, dict(second.payload))])
            index.upsert([Point(second.id, second.dense, second.sparse, {**second.payload, "text": "other"})])
        store.publish(manifest.version)
    kinds = {problem.kind for problem in maintenance.verify(config).problems}
    assert kinds == {"missing_points", "foreign_points", "stale_payloads"}
    assert maintenance.repair(config).done.embedded == 0
    assert maintenance.verify(config).problems == ()
    assert seen(config) == before


def test_what_is_forgotten_is_in_no_version_any_more(config: FeatureConfig, folder: Path) -> None:
    plain.feature(config)
    uri = (folder / "lunch.txt").resolve().as_uri()
    forget(Target(kind="uri", name=uri))
    assert uri not in {point.payload["uri"] for point in seen(config).values()}
    assert maintenance.verify(config).problems == ()

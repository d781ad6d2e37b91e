"""Verify, repair, versions, activate and rollback, on an index that a plain run has built."""

import json
from array import array
from collections.abc import Callable
from pathlib import Path

import pytest
from command_lines import config_file, tool
from loguru import logger
from sqlalchemy import create_engine, text

from llm_engineering import maintenance, plain
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import DigitalDataEtlConfig, FeatureConfig, read_config
from llm_engineering.domain.chunks import Point
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.ports import VectorIndex
from llm_engineering.domain.reports import Report
from llm_engineering.domain.value import identity
from llm_engineering.infrastructure.vector_stores import Faiss

PARAGRAPHS = 12


@pytest.fixture
def config(tmp_path: Path) -> FeatureConfig:
    folder = tmp_path / "documents"
    folder.mkdir()
    for name in ("whales", "mountains", "rivers"):
        body = "\n\n".join(f"Paragraph {n} about {name}. " + "It goes on for a while. " * 30 for n in range(PARAGRAPHS))
        (folder / f"{name}.md").write_text(f"# {name}\n\n{body}\n")
    path = config_file(tmp_path, f"{{kind: files, name: docs, root: {folder}}}", more="")
    path.write_text(path.read_text().replace("{collection: test}", "{collection: test, payload_indexes: [course]}"))
    return read_config(FeatureConfig, path)


def with_chunks_of(config: FeatureConfig, tokens: int) -> FeatureConfig:
    chunking = {"kind": "fixed", "max_tokens": tokens, "overlap": 0}
    return FeatureConfig.model_validate(config.model_dump(mode="json") | {"chunking": chunking})


def writing(config: FeatureConfig, damage: Callable[[VectorIndex], None]) -> None:
    """Change the working folder of the active version behind the ledger's back, and publish that."""
    with Workspace().store(config.load) as store:
        manifest = store.active()
        assert manifest is not None
        with store.write(manifest) as index:
            damage(index)
        store.publish(manifest.version)


def first_points(index: VectorIndex, count: int) -> list[Point]:
    return sorted(index.scan(), key=lambda point: point.id)[:count]


def dump(config: FeatureConfig) -> dict[str, Point]:
    with Workspace().store(config.load) as store, store.read() as index:
        return {point.id: point for point in index.scan()}


def vectors_kept() -> int:
    return int(execute("SELECT COUNT(*) FROM vectors"))


def execute(statement: str) -> object:
    engine = create_engine(Workspace().settings.database_url)
    with engine.begin() as connection:
        result = connection.execute(text(statement))
        value = result.scalar() if result.returns_rows else None
    engine.dispose()
    return value


def deleted_points(index: VectorIndex) -> None:
    index.delete([point.id for point in first_points(index, 3)])


def foreign_points(index: VectorIndex) -> None:
    like = first_points(index, 1)[0]
    index.upsert([Point(identity("foreign"), like.dense, like.sparse, dict(like.payload))])


def stale_payload(index: VectorIndex) -> None:
    point = first_points(index, 1)[0]
    index.upsert([Point(point.id, point.dense, point.sparse, {**point.payload, "text": "something else"})])


def vectors_of_another_model(index: VectorIndex) -> None:
    index.upsert(
        [
            Point(point.id, array("f", reversed(point.dense)), point.sparse, dict(point.payload))
            for point in first_points(index, 4)
        ]
    )


def one_bit_of_a_vector(index: VectorIndex) -> None:
    point = first_points(index, 1)[0]
    flipped = bytearray(point.dense.tobytes())
    flipped[0] ^= 1
    index.upsert([Point(point.id, array("f", bytes(flipped)), point.sparse, dict(point.payload))])


def half_a_batch(index: VectorIndex) -> None:
    ids = sorted(point.id for point in index.scan())
    index.delete(ids[: len(ids) // 2])


DAMAGES: dict[str, tuple[Callable[[VectorIndex], None], str]] = {
    "points deleted": (deleted_points, "missing_points"),
    "foreign points": (foreign_points, "foreign_points"),
    "a stale payload": (stale_payload, "stale_payloads"),
    "vectors of another model": (vectors_of_another_model, "wrong_vectors"),
    "one bit of a vector": (one_bit_of_a_vector, "wrong_vectors"),
    "half a batch": (half_a_batch, "missing_points"),
}


@pytest.fixture
def indexed(config: FeatureConfig) -> Report:
    return plain.feature(config)


def test_a_sound_index_verifies_and_a_repair_changes_nothing(config: FeatureConfig, indexed: Report) -> None:
    report = maintenance.verify(config)
    assert report.problems == ()
    assert (report.documents, report.chunks, report.points) == (3, indexed.chunks, indexed.points)
    repaired = maintenance.repair(config)
    assert repaired.found == ()
    assert (repaired.done.embedded, repaired.done.written, repaired.done.removed) == (0, 0, 0)


def test_a_repair_says_which_documents_it_brought_in_and_took_out(config: FeatureConfig, indexed: Report) -> None:
    folder = Path(config.ingest.sources[0].root)  # type: ignore[union-attr]
    (folder / "whales.md").unlink()
    (folder / "lakes.md").write_text("# Lakes\n\nLakes are still waters.\n")
    plain.digital_data_etl(DigitalDataEtlConfig(ingest=config.ingest))
    report = maintenance.verify(config)
    assert [problem.kind for problem in report.problems] == ["unindexed_documents", "leftover_documents"]
    assert maintenance.repair(config).found == report.problems
    assert maintenance.verify(config).problems == ()


def test_a_run_warns_before_another_configuration_takes_the_documents_out(
    config: FeatureConfig, indexed: Report, tmp_path: Path
) -> None:
    source = f"ingest.sources=[{{kind: files, name: others, root: {tmp_path}, include: ['*.md']}}]"
    other = read_config(FeatureConfig, None, [source, "embedding.kind=hashing", "load.collection=test"])
    same = other.model_copy(update={"ingest": config.ingest})
    messages: list[str] = []
    sink = logger.add(messages.append, level="WARNING", format="{message}")
    try:
        plain.feature(other)  # another version of the index
        plain.feature(other)
        plain.feature(same)
        plain.feature(other)  # the same version
    finally:
        logger.remove(sink)
    told = [message for message in messages if "leave the index" in message]
    assert [("3 of docs" in message, "3 of others" in message) for message in told] == [
        (True, False),
        (False, True),
        (True, False),
    ]


def test_the_configuration_of_another_index_is_refused_and_takes_nothing_out(
    config: FeatureConfig, indexed: Report, tmp_path: Path
) -> None:
    before = dump(config)
    source = f"ingest.sources=[{{kind: files, name: others, root: {tmp_path}}}]"
    other = read_config(FeatureConfig, None, [source, "embedding.kind=hashing", "load.collection=test"])
    for call in (maintenance.verify, maintenance.repair):
        with pytest.raises(UsageError, match=r"holds documents of docs, which .* \(--config\)"):
            call(other)
    assert dump(config) == before
    assert maintenance.verify(config).problems == ()


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_in_the_store_is_found_and_mended_without_embedding(
    config: FeatureConfig, indexed: Report, name: str
) -> None:
    damage, kind = DAMAGES[name]
    before, vectors = dump(config), vectors_kept()
    writing(config, damage)
    assert dump(config) != before
    report = maintenance.verify(config)
    assert {problem.kind for problem in report.problems} == {kind}
    repaired = maintenance.repair(config)
    assert (repaired.done.embedded, vectors_kept()) == (0, vectors)
    assert repaired.done.written <= report.problems[0].count
    assert maintenance.verify(config).problems == ()
    assert dump(config) == before


@pytest.mark.parametrize("mends", [maintenance.repair, plain.feature], ids=["repair", "run"])
def test_files_that_open_and_cannot_be_read_are_made_again_without_embedding(
    config: FeatureConfig, indexed: Report, mends: Callable[[FeatureConfig], object]
) -> None:
    before, vectors = dump(config), vectors_kept()
    (places,) = (Workspace().home / "feature_store/test/versions").rglob("payload_storage/tracker.dat")
    content = places.read_bytes()
    places.write_bytes(content[:64] + b"\x7f" * 64 + content[128:])
    with pytest.raises(BackendError, match="built again by the next run"):
        maintenance.verify(config)
    mends(config)
    assert vectors_kept() == vectors
    assert maintenance.verify(config).problems == ()
    assert dump(config) == before


@pytest.mark.parametrize(
    ("statement", "kinds"),
    [
        (
            "DELETE FROM indexed_chunks WHERE chunk_id IN (SELECT chunk_id FROM indexed_chunks LIMIT 5)",
            "lost_ledger_rows",
        ),
        ("DELETE FROM indexed_chunks", "lost_ledger_rows"),
        ("DELETE FROM indexed_documents", "unindexed_documents"),
        ("UPDATE indexed_documents SET content_hash = 'other'", "unindexed_documents"),
        ("UPDATE indexed_chunks SET digest = 'other'", "stale_payloads"),
    ],
)
def test_damage_in_the_ledger_is_found_and_mended_without_embedding(
    config: FeatureConfig, indexed: Report, statement: str, kinds: str
) -> None:
    before, vectors = dump(config), vectors_kept()
    execute(statement)
    assert kinds in {problem.kind for problem in maintenance.verify(config).problems}
    assert maintenance.repair(config).done.embedded == 0
    assert vectors_kept() == vectors
    assert maintenance.verify(config).problems == ()
    assert dump(config) == before


def test_a_missing_payload_index_is_found_and_mended(config: FeatureConfig, indexed: Report) -> None:
    import qdrant_edge

    def drop(index: VectorIndex) -> None:
        index._shard.update(qdrant_edge.UpdateOperation.delete_field_index("metadata.course"))  # type: ignore[attr-defined]
        index._shard.flush()  # type: ignore[attr-defined]

    with Workspace().store(config.load) as store, store.write(store.active()) as index:  # type: ignore[arg-type]
        drop(index)
    report = maintenance.verify(config)
    assert [problem.kind for problem in report.problems] == ["missing_payload_indexes"]
    assert report.problems[0].examples == ("metadata.course",)
    assert maintenance.repair(config).done.written == 0
    assert maintenance.verify(config).problems == ()


@pytest.mark.parametrize("file", ["published/*/shard/segments/*/segment.json", "active.*.json"])
def test_damage_in_what_is_published_alone_is_found_and_mended(
    config: FeatureConfig, indexed: Report, file: str
) -> None:
    before = dump(config)
    for damaged in (Workspace().home / "feature_store/test").glob(file):
        damaged.write_text("{")
    report = maintenance.verify(config)
    assert {(problem.kind, problem.where) for problem in report.problems} == {("unreadable", "published")}
    repaired = maintenance.repair(config)
    assert repaired.found == report.problems
    assert (repaired.done.written, repaired.done.embedded) == (0, 0)
    assert maintenance.verify(config).problems == ()
    assert dump(config) == before


def test_points_changed_in_the_published_copy_alone_are_named(config: FeatureConfig, indexed: Report) -> None:
    import qdrant_edge

    before = dump(config)
    (copy,) = (Workspace().home / "feature_store/test/published").iterdir()
    shard = qdrant_edge.EdgeShard.load(str(copy / "shard"))
    shard.update(qdrant_edge.UpdateOperation.delete_points([next(iter(before))]))
    shard.flush()
    shard.close()
    assert len(dump(config)) == len(before) - 1
    report = maintenance.verify(config)
    assert [(problem.kind, problem.where) for problem in report.problems] == [("missing_points", "published")]
    maintenance.repair(config)
    assert maintenance.verify(config).problems == ()
    assert dump(config) == before


def test_a_lost_vector_is_embedded_once_more_and_only_that(config: FeatureConfig, indexed: Report) -> None:
    execute("DELETE FROM vectors WHERE text_hash IN (SELECT text_hash FROM vectors LIMIT 2)")
    assert [problem.kind for problem in maintenance.verify(config).problems][:1] == ["wrong_vectors"]
    assert maintenance.repair(config).done.embedded == 2
    assert maintenance.verify(config).problems == ()


def test_a_repair_uses_the_settings_of_the_version_not_those_of_the_file(
    config: FeatureConfig, indexed: Report
) -> None:
    before = dump(config)
    writing(config, half_a_batch)
    assert maintenance.repair(with_chunks_of(config, 40)).done.index_version == "v1"
    assert dump(config) == before


def test_a_normal_run_mends_points_that_are_missing(config: FeatureConfig, indexed: Report) -> None:
    before = dump(config)
    writing(config, half_a_batch)
    assert plain.feature(config).embedded == 0
    assert dump(config) == before


def test_another_chunker_builds_a_version_beside_and_rollback_returns_to_the_first(
    config: FeatureConfig, indexed: Report
) -> None:
    first = dump(config)
    other = with_chunks_of(config, 40)
    assert plain.feature(other).index_version == "v2"
    second = dump(config)
    assert second.keys() != first.keys()
    assert [(each.version, each.active) for each in maintenance.versions(config)] == [("v1", False), ("v2", True)]
    assert maintenance.rollback(config).index_version == "v1"
    assert dump(config) == first
    with pytest.raises(UsageError, match="no earlier version"):
        maintenance.rollback(config)
    # A run brings the version that was left up to date, and readers stay where somebody put them.
    assert plain.feature(other).index_version == "v2"
    assert dump(config) == first
    maintenance.activate(config, "v2")
    assert dump(config) == second
    assert maintenance.rollback(config).index_version == "v1"


def test_a_version_that_was_left_stays_left_when_the_one_before_it_is_left_too(
    config: FeatureConfig, indexed: Report
) -> None:
    third = with_chunks_of(config, 40)
    plain.feature(with_chunks_of(config, 60))
    plain.feature(third)
    assert maintenance.rollback(config).index_version == "v2"
    assert maintenance.rollback(config).index_version == "v1"
    plain.feature(third)
    assert [each.version for each in maintenance.versions(config) if each.active] == ["v1"]


def test_a_store_that_never_held_what_was_gone_back_to_serves_what_a_run_makes(
    config: FeatureConfig, indexed: Report
) -> None:
    pytest.importorskip("faiss", reason="the vector store faiss needs the extra 'faiss'")
    other = with_chunks_of(config, 40)
    plain.feature(other)
    maintenance.rollback(other)
    elsewhere = other.model_copy(update={"load": other.load.model_copy(update={"store": Faiss()})})
    plain.feature(elsewhere)
    assert [(each.version, each.active) for each in maintenance.versions(elsewhere) if each.active] == [("v2", True)]


def test_an_inactive_version_can_be_verified_and_repaired_without_being_activated(
    config: FeatureConfig, indexed: Report
) -> None:
    plain.feature(with_chunks_of(config, 40))
    second = dump(config)
    with Workspace().store(config.load) as store, store.write(store.versions()["v1"]) as index:
        half_a_batch(index)
    assert [problem.kind for problem in maintenance.verify(config, "v1").problems] == ["missing_points"]
    maintenance.repair(config, "v1")
    assert maintenance.verify(config, "v1").problems == ()
    assert dump(config) == second
    with pytest.raises(UsageError, match="no version 'v9'"):
        maintenance.verify(config, "v9")


def test_old_versions_are_pruned(config: FeatureConfig, indexed: Report) -> None:
    for tokens in (40, 50, 60):
        plain.feature(with_chunks_of(config, tokens))
    assert [each.version for each in maintenance.versions(config)] == ["v2", "v3", "v4"]
    folders = {path.name for path in (Workspace().home / "feature_store/test/versions").iterdir()}
    assert folders == {"v2", "v3", "v4"}


def test_maintenance_is_refused_while_a_run_has_the_collection(config: FeatureConfig, indexed: Report) -> None:
    with Workspace().warehouse() as warehouse:
        run = warehouse.start_run("feature", {}, config.holds)
        for call in (maintenance.verify, maintenance.repair, maintenance.rollback, plain.feature):
            with pytest.raises(BackendError, match=f"held by run {run}"):
                call(config)
        warehouse.finish_run(run, "failed", {})
    assert maintenance.verify(config).ready


def test_a_version_that_was_written_and_not_published_is_shown_to_readers_by_the_next_run(
    config: FeatureConfig, indexed: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "documents" / "whales.md").write_text("# Whales\n\nOne line.\n")

    def dies(*_: object) -> str:
        raise BackendError("the machine is switched off")

    with monkeypatch.context() as patched:
        patched.setattr("llm_engineering.stages.activate", dies)
        with pytest.raises(BackendError, match="switched off"):
            plain.feature(config)
    assert [problem.kind for problem in maintenance.verify(config).problems] == ["unpublished_changes"]
    assert plain.feature(config).written == 0
    assert "One line." in {str(point.payload["text"]).split("\n")[-1] for point in dump(config).values()}
    assert maintenance.verify(config).problems == ()


def test_the_command_line_says_what_is_wrong_and_mends_it(
    config: FeatureConfig, indexed: Report, tmp_path: Path
) -> None:
    home, file = Workspace().home, str(tmp_path / "config.yaml")
    assert tool(home, "index", "verify", "--config", file).code == 0
    writing(config, deleted_points)
    damaged = tool(home, "index", "verify", "--config", file, "--json")
    assert damaged.code == 1
    assert {problem["kind"] for problem in damaged.last_line["problems"]} == {"missing_points"}
    mended = tool(home, "index", "repair", "--config", file)
    assert mended.code == 0
    assert "3 points are missing from the store" in mended.out
    listed = tool(home, "index", "versions", "--config", file, "--json")
    assert [(each["version"], each["active"]) for each in json.loads(listed.out)] == [("v1", True)]
    same = tool(home, "index", "diff", "v1", "v1", "--config", file, "--json")
    assert (same.code, same.last_line["settings"], same.last_line["documents"]["changed"]) == (0, [], 0)
    refused = tool(home, "index", "rollback", "--config", file)
    assert (refused.code, "no earlier version" in refused.err) == (2, True)
    assert tool(home, "index", "activate", "v7", "--config", file).code == 2


def test_an_index_whose_warehouse_is_lost_is_brought_into_agreement_by_the_next_run(
    config: FeatureConfig, indexed: Report
) -> None:
    for _ in range(3):
        plain.feature(config)
    before = dump(config)
    for file in Workspace().home.glob("warehouse.db*"):
        file.unlink()
    report = plain.feature(config)
    assert report.run > 4
    assert maintenance.verify(config).problems == ()
    assert dump(config).keys() == before.keys()


@pytest.mark.parametrize("damage", ["DELETE FROM document_versions", "UPDATE document_versions SET text = 'another'"])
def test_no_version_is_built_from_documents_that_the_warehouse_lost(config: FeatureConfig, damage: str) -> None:
    plain.feature(config)
    before = dump(config)
    execute(damage + " WHERE document_id IN (SELECT id FROM documents WHERE uri LIKE '%rivers.md')")
    other = with_chunks_of(config, 64)
    with pytest.raises(BackendError, match=r"does not hold 1 documents as they were stored.*rivers\.md"):
        plain.feature(other)
    assert dump(config) == before, "readers see what they saw"
    report = plain.feature(other)
    assert (report.changed, report.unchanged, report.index_version) == (1, 2, "v2")
    assert {point.payload["title"] for point in dump(config).values()} == {"whales", "mountains", "rivers"}
    assert maintenance.verify(other).ready


def test_a_version_that_the_warehouse_lost_is_no_riddle(config: FeatureConfig) -> None:
    plain.feature(config)
    execute("DELETE FROM index_versions")
    with pytest.raises(UsageError, match="it knows: none yet; run the feature pipeline"):
        maintenance.verify(config)
    assert plain.feature(config).index_version == "v2"
    assert maintenance.verify(config).ready

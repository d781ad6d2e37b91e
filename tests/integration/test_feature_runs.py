"""The feature pipeline from sources to search, in plain Python on real adapters."""

import subprocess
from pathlib import Path

import pytest

from llm_engineering import plain, stages
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import DigitalDataEtlConfig, FeatureConfig, FeatureEngineeringConfig, Limits, read_config
from llm_engineering.domain.errors import BackendError, GateFailed, UsageError
from llm_engineering.domain.reports import Report
from llm_engineering.infrastructure.settings import Settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "backups.md").write_text("# Backups\n\nWe copy the database every night at two.\n")
    (folder / "lunch.txt").write_text("Lunch is served at noon in the garden.\n")
    (folder / "sums.py").write_text("def add(a, b):\n    return a + b\n")
    return folder


def config(folder: Path, *overrides: str) -> FeatureConfig:
    sources = f"ingest.sources=[{{kind: files, name: docs, root: {folder}}}]"
    return read_config(FeatureConfig, None, [sources, "embedding.kind=hashing", *overrides])


def run(folder: Path, *overrides: str) -> Report:
    return plain.feature(config(folder, *overrides))


def points(home: Path, collection: str = "default") -> dict[str, object]:
    """Return everything that readers of the index see, by point id."""
    chosen = read_config(FeatureConfig, None, [f"load.collection={collection}"])
    with Workspace(Settings(home=home)).store(chosen.load) as store, store.read() as index:
        found = index.get(list(index.ids()))
    return {key: (dict(point.payload), list(point.dense), point.sparse) for key, point in found.items()}


def found(folder: Path, query: str) -> str:
    hits = stages.search(config(folder), [query], {}, 1)[0]
    return Path(hits[0].uri).name if hits else ""


def test_a_first_run_makes_a_searchable_index(folder: Path) -> None:
    report = run(folder)
    assert (report.found, report.new, report.points) == (3, 3, report.chunks)
    assert report.embedded == report.chunks
    assert found(folder, "when is the database copied") == "backups.md"
    assert found(folder, "where do we have lunch") == "lunch.txt"
    assert found(folder, "add two numbers a b") == "sums.py"


def test_running_twice_changes_nothing(folder: Path, home: Path) -> None:
    first = run(folder)
    before = points(home)
    second = run(folder)
    assert (second.unchanged, second.new, second.changed, second.deleted) == (3, 0, 0, 0)
    assert (second.embedded, second.written, second.removed) == (0, 0, 0)
    assert second.index_version == first.index_version
    assert points(home) == before


def test_an_edited_file_replaces_its_chunks(folder: Path, home: Path) -> None:
    run(folder)
    (folder / "lunch.txt").write_text("Dinner is served at seven in the hall.\n")
    report = run(folder)
    assert (report.changed, report.unchanged) == (1, 2)
    texts = [payload["text"] for payload, *_ in points(home).values()]  # type: ignore[misc]
    assert "Dinner is served at seven in the hall." in texts
    assert not [text for text in texts if "Lunch" in text]


def test_a_deleted_file_loses_its_chunks(folder: Path, home: Path) -> None:
    run(folder)
    (folder / "lunch.txt").unlink()
    report = run(folder)
    assert (report.found, report.deleted, report.removed) == (3, 1, 1)
    assert len(points(home)) == report.points == 2


def test_a_renamed_file_is_embedded_again_only_if_its_context_changed(folder: Path) -> None:
    run(folder)
    (folder / "backups.md").rename(folder / "copies.md")
    report = run(folder)
    assert (report.new, report.deleted) == (1, 1)
    assert report.embedded == 0


def test_other_settings_build_another_version_and_keep_the_first(folder: Path) -> None:
    assert run(folder).index_version == "v1"
    report = run(folder, "tokenizing.language=none")
    assert report.index_version == "v2"
    assert report.embedded == 0
    assert found(folder, "when is the database copied") == "backups.md"
    assert run(folder).index_version == "v1"


def test_a_lost_store_is_rebuilt_from_the_warehouse_without_embedding(folder: Path, home: Path) -> None:
    import shutil

    first = run(folder)
    before = points(home)
    shutil.rmtree(home / "feature_store")
    report = run(folder)
    assert (report.unchanged, report.embedded, report.points) == (3, 0, first.points)
    assert points(home) == before


def test_the_two_halves_make_the_same_index_as_the_whole(
    folder: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(folder)
    monkeypatch.setenv("LLM_ENGINEERING_HOME", str(tmp_path / "halves"))
    whole = config(folder)
    etl = plain.digital_data_etl(DigitalDataEtlConfig(ingest=whole.ingest))
    assert (etl.new, etl.points, etl.index_version) == (3, 0, "")
    half = plain.feature_engineering(read_config(FeatureEngineeringConfig, None, ["embedding.kind=hashing"]))
    assert (half.found, half.new) == (3, 3)
    assert points(tmp_path / "halves") == points(home)


def test_an_index_holds_the_sources_of_its_own_configuration(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "secret.txt").write_text("Only in the other folder.\n")
    run(folder)
    sources = f"ingest.sources=[{{kind: files, name: other, root: {other}}}]"
    chosen = [sources, "embedding.kind=hashing", "load.collection=other"]
    assert plain.feature(read_config(FeatureConfig, None, chosen)).points == 1
    assert run(folder).points == 3


def test_two_homes_never_touch(folder: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(folder)
    monkeypatch.setenv("LLM_ENGINEERING_HOME", str(tmp_path / "second"))
    assert run(folder).new == 3
    with pytest.raises(UsageError, match="collection"):
        points(tmp_path / "third")


def test_a_searching_process_is_not_disturbed_by_a_run(folder: Path, home: Path) -> None:
    run(folder)
    chosen = config(folder)
    with Workspace().store(chosen.load) as store, store.read() as index:
        before = index.count()
        (folder / "lunch.txt").unlink()
        assert run(folder).points == 2
        assert index.count() == before == 3
    assert len(points(home)) == 2


def test_a_second_writer_is_refused_with_the_first_ones_name(folder: Path) -> None:
    report = run(folder)
    chosen = config(folder)
    with Workspace().store(chosen.load) as store:
        manifest = store.active()
        assert manifest is not None
        with store.write(manifest), pytest.raises(BackendError, match="is being written to by"):
            run(folder)
    assert run(folder).points == report.points


def test_failures_of_one_source_do_not_stop_the_others(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "shape.json").write_text('{"no": "list"}')
    broken = [
        f"{{kind: files, name: missing, root: {tmp_path}/nowhere}}",
        f"{{kind: files, name: empty, root: {tmp_path}/empty}}",
        f"{{kind: json, name: shape, url: {tmp_path}/shape.json, template: '{{text}}'}}",
        "{kind: json, name: host, url: 'http://127.0.0.1:9/x.json', template: '{text}'}",
        f"{{kind: git, name: git, url: {tmp_path}/empty}}",
    ]
    sources = f"ingest.sources=[{{kind: files, name: docs, root: {folder}}}, {', '.join(broken)}]"
    quick = ["ingest.fetching.retries=0", "embedding.kind=hashing"]
    report = plain.feature(read_config(FeatureConfig, None, [sources, *quick]))
    assert (report.new, report.failed, report.points) == (3, 5, 3)
    assert report.found == 8
    assert {failure.source for failure in report.failures} == {"missing", "empty", "shape", "host", "git"}
    assert all(len(failure.detail) > 20 for failure in report.failures)


def test_a_binary_and_an_empty_file_are_rejected_with_their_reasons(folder: Path) -> None:
    (folder / "picture.txt").write_bytes(bytes(range(256)) * 20)
    (folder / "nothing.md").write_text("")
    report = run(folder)
    assert (report.new, report.rejected, report.failed) == (3, 2, 0)
    reasons = {Path(rejection.uri).name: rejection.reason for rejection in report.rejections}
    assert reasons == {"picture.txt": "binary", "nothing.md": "empty"}


def test_an_author_with_links_of_every_kind(folder: Path, tmp_path: Path, home: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "tool.py").write_text("def tool():\n    return 'made by Ada'\n")
    git = ["git", "-C", str(repository), "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "First"]):
        subprocess.run([*git, *command], check=True)
    links = [str(repository), str(folder), "ftp://example.org/x"]
    overrides = [f"author={{user_full_name: Ada Lovelace, links: {links}}}", "embedding.kind=hashing"]
    report = plain.feature(read_config(FeatureConfig, None, overrides))
    assert [(source.source, source.new, source.failed) for source in report.sources] == [
        (links[0], 1, 0),
        (links[1], 3, 0),
        (links[2], 0, 1),
    ]
    authors = {payload["metadata"].get("author") for payload, *_ in points(home).values()}  # type: ignore[misc]
    assert authors == {"Ada Lovelace"}


def test_the_resolved_configuration_and_the_report_are_kept_with_the_run(folder: Path) -> None:
    report = run(folder)
    with Workspace().warehouse() as warehouse:
        record = warehouse.run_record(report.run)
    assert record["status"] == "completed"
    assert record["config"]["embedding"]["kind"] == "hashing"  # type: ignore[index]
    assert record["config"]["retrieval"]["k"] == 5  # type: ignore[index]
    assert record["report"]["points"] == report.points  # type: ignore[index]


def test_searching_before_the_first_run_says_what_to_do(folder: Path) -> None:
    with pytest.raises(UsageError, match="run"):
        found(folder, "anything")


def test_a_query_with_another_model_is_refused_with_the_fix(folder: Path) -> None:
    run(folder)
    other = config(folder, "embedding.dimension=64")
    with pytest.raises(UsageError, match="index was made with"):
        stages.search(other, ["anything"], {}, 1)


def test_an_emptied_file_is_deleted_and_counts_as_a_rejection_for_the_limits(folder: Path) -> None:
    run(folder)
    (folder / "lunch.txt").write_text("")
    report = run(folder)
    assert (report.deleted, report.rejected, len(report.rejections)) == (1, 0, 1)
    with pytest.raises(GateFailed, match="1 rejections"):
        stages.check(report, Limits(rejections=0))
    with Workspace().warehouse() as warehouse:
        assert warehouse.run_record(report.run)["status"] == "failed"


def test_the_last_file_may_go_only_if_that_is_meant(folder: Path) -> None:
    run(folder)
    for file in folder.iterdir():
        file.unlink()
    report = run(folder)
    assert (report.failed, report.deleted, report.points) == (1, 0, 3)
    assert "--allow-mass-delete" in report.failures[0].detail
    report = run(folder, "ingest.sources.0.allow_empty=true")
    assert (report.failed, report.deleted, report.points) == (1, 0, 3)
    assert report.failures[0].reason == "mass_delete"
    report = run(folder, "ingest.allow_mass_delete=true")
    assert (report.failed, report.deleted, report.points) == (0, 3, 0)


def test_a_run_that_dies_is_closed_as_failed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(UsageError):
        run(folder, "embedding.kind=sentence_transformers", f"embedding.model={tmp_path / 'model'}")
    with Workspace().warehouse() as warehouse:
        assert warehouse.run_record(1)["status"] == "failed"


def test_spools_of_killed_processes_are_swept(folder: Path, home: Path) -> None:
    dead = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True).stdout.strip()
    (home / "spool" / f"{dead}-left").mkdir(parents=True)
    run(folder)
    assert not (home / "spool" / f"{dead}-left").exists()

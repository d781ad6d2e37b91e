"""Feature versions as data: export, read back, import into another home, compare."""

import json
import shutil
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from llm_engineering import feature_versions, plain, stages
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import FeatureConfig, FeatureEngineeringConfig, Load, read_config
from llm_engineering.domain.chunks import Point
from llm_engineering.domain.erasure import digest_of
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.features import FeatureManifest
from llm_engineering.feature_versions import export_features, import_features, read_features
from llm_engineering.infrastructure.settings import Settings
from llm_engineering.infrastructure.vector_stores.qdrant_edge.index import EdgeIndex

ODD = [
    "docs",
    "a/b=c ü 北京",
    "2024",
    "007",
    "A",
    "a",
    "__HIVE_DEFAULT_PARTITION__",
    "x" * 400,
    "é" * 200,
    "..",
    "50% ~",
]


def config(texts: dict[str, dict[str, str]], *overrides: str) -> FeatureConfig:
    sources = [{"kind": "memory", "name": name, "documents": documents} for name, documents in texts.items()]
    return read_config(
        FeatureConfig, None, [f"ingest.sources={json.dumps(sources)}", "embedding.kind=hashing", *overrides]
    )


TEXTS = {
    "docs": {"a.md": "# Whales\n\nWhales live in the sea.", "b.md": "# Owls\n\nOwls live in the wood.\n\nThey hunt."},
    "notes/2": {"c.txt": "Whales live in the sea.", "empty.md": " \u200b "},
}


def run(texts: dict[str, dict[str, str]] = TEXTS, *overrides: str) -> str:
    return plain.feature(config(texts, *overrides)).index_version


def load(collection: str = "default") -> Load:
    return Load(collection=collection)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a home with the index of TEXTS, and its export beside it; they are copied for each test."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLM_ENGINEERING_HOME", str(folder / "home"))
        run()
        export_features(load(), folder / "export")
    return folder


@pytest.fixture
def indexed(made: Path, home: Path) -> Path:
    """Return a home with the index of TEXTS."""
    shutil.copytree(made / "home", home)
    return home


@pytest.fixture
def export(made: Path, indexed: Path, tmp_path: Path) -> Path:
    """Return an export of the index of TEXTS, which is in the home."""
    shutil.copytree(made / "export", tmp_path / "export")
    return tmp_path / "export"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Go to another home."""

    def go(name: str = "elsewhere") -> Path:
        monkeypatch.setenv("LLM_ENGINEERING_HOME", str(tmp_path / name))
        return tmp_path / name

    return go


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def seen(home: Path, collection: str = "default") -> dict[str, Point]:
    with Workspace(Settings(home=home)).store(load(collection)) as store, store.read() as index:
        return dict(index.get(list(index.ids())))


def reseal(folder: Path, change: Callable[[FeatureManifest], FeatureManifest]) -> None:
    """Change a manifest and give it the digest that fits, as whoever forges an export would."""
    manifest = FeatureManifest.model_validate_json((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").write_text(change(manifest).sealed().model_dump_json())


# Export


def test_an_export_holds_every_document_and_every_chunk_with_its_features(export: Path, home: Path) -> None:
    features = read_features(export)
    assert {(row.source_name, row.uri) for row in features.documents} == {
        ("docs", "a.md"),
        ("docs", "b.md"),
        ("notes/2", "c.txt"),
        ("notes/2", "empty.md"),
    }
    points = seen(home)
    rows = {row.id: row for row in features.chunks}
    assert rows.keys() == points.keys()
    for key, point in points.items():
        assert rows[key].chunk.payload == point.payload
        assert rows[key].sparse == point.sparse
        assert rows[key].vector == pytest.approx(point.dense, abs=1e-6)


def test_the_manifest_says_what_the_version_is(export: Path) -> None:
    manifest = read_features(export).manifest
    assert (manifest.collection, manifest.version) == ("default", "v1")
    assert manifest.model.name == "hashing-256"
    assert manifest.settings["chunking"]
    assert (manifest.documents, manifest.chunks) == (4, len(list(read_features(export).chunks)))
    assert {file.source for file in manifest.files} == set(TEXTS)
    assert all((export / file.path).stat().st_size == file.bytes for file in manifest.files)


def test_the_same_version_gives_the_same_bytes(export: Path, tmp_path: Path) -> None:
    run()  # nothing changed
    export_features(load(), tmp_path / "again")
    assert content(tmp_path / "again") == content(export)


def test_a_version_that_readers_do_not_see_can_be_exported(tmp_path: Path) -> None:
    assert run() == "v1"
    assert run(TEXTS, "tokenizing.language=none") == "v2"
    assert export_features(load(), tmp_path / "old", "v1").version == "v1"
    assert export_features(load(), tmp_path / "active").version == "v2"


def test_documents_are_exported_as_they_were_indexed_not_as_they_are_now(tmp_path: Path) -> None:
    run()
    changed = {**TEXTS, "docs": {"a.md": "Quite another text.", "b.md": TEXTS["docs"]["b.md"]}}
    etl = config(changed)
    plain.digital_data_etl(etl)
    manifest = export_features(load(), tmp_path / "export")
    texts = {row.uri: row.text for row in read_features(tmp_path / "export").documents}
    assert texts["a.md"] == TEXTS["docs"]["a.md"]
    assert manifest.documents == 4


def test_odd_names_of_sources_survive_partitioning(tmp_path: Path, elsewhere: Callable[[str], Path]) -> None:
    texts = {name: {"same.md": f"Source number {number} speaks."} for number, name in enumerate(ODD)}
    run(texts)
    manifest = export_features(load(), tmp_path / "export")
    assert {file.source for file in manifest.files} == set(ODD)
    assert {row.source_name for row in read_features(tmp_path / "export").documents} == set(ODD)
    folders = [path.name.casefold() for path in (tmp_path / "export" / "chunks").iterdir()]
    assert len(set(folders)) == len(ODD)
    assert max(map(len, folders)) < 255
    elsewhere("other")
    assert import_features(load(), tmp_path / "export").points == len(ODD)


def test_an_export_is_a_hive_partitioned_data_set_for_other_programs(export: Path) -> None:
    table = ds.dataset(export / "chunks", partitioning="hive").to_table()
    assert set(table["source"].to_pylist()) == set(TEXTS)
    assert table["source"].to_pylist() == table["source_name"].to_pylist()
    assert table.schema.field("vector").type.list_size == 256
    only = ds.dataset(export / "documents", partitioning="hive").to_table(filter=ds.field("source") == "notes/2")
    assert set(only["uri"].to_pylist()) == {"c.txt", "empty.md"}
    assert read_features(export).chunks.arrow().count_rows() == table.num_rows


def test_exports_hold_no_pickles_and_no_metadata_of_other_programs(export: Path) -> None:
    for path in export.rglob("*.parquet"):
        assert set(pq.read_schema(path).metadata) == {b"llm_engineering.rows", b"llm_engineering.encoding"}


def test_an_index_without_documents_is_exported_and_imported(tmp_path: Path, elsewhere: Callable[[str], Path]) -> None:
    plain.feature_engineering(read_config(FeatureEngineeringConfig, None, ["embedding.kind=hashing"]))
    assert export_features(load(), tmp_path / "export").chunks == 0
    elsewhere("other")
    assert import_features(load(), tmp_path / "export").points == 0


@pytest.mark.parametrize(
    "name", ["stranger.txt", "documents/source=docs/part-00000.csv", "chunks/x/part-00000.parquet"]
)
def test_a_folder_with_other_files_is_refused_also_by_force(indexed: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "to" / name).parent.mkdir(parents=True)
    (tmp_path / "to" / name).write_text("mine")
    for force in (False, True):
        with pytest.raises(UsageError, match="which no export made"):
            export_features(load(), tmp_path / "to", force=force)
    assert (tmp_path / "to" / name).read_text() == "mine"


def test_an_export_among_the_files_of_runs_is_refused(indexed: Path, home: Path) -> None:
    with pytest.raises(UsageError, match=r"where runs keep their own files; name another folder, such as .*exports"):
        export_features(load(), home / "feature_store" / "mine", force=True)
    assert not (home / "feature_store" / "mine").exists()


def test_an_older_export_is_replaced_only_by_force(export: Path) -> None:
    before = read_features(export).manifest
    run({"docs": TEXTS["docs"]})
    with pytest.raises(UsageError, match="--force"):
        export_features(load(), export)
    assert read_features(export).manifest == before
    export_features(load(), export, force=True)
    assert {file.source for file in read_features(export).manifest.files} == {"docs"}
    assert not (export / "chunks" / "source=notes%2F2").exists()


def test_an_export_that_was_killed_is_none_and_gives_way_to_the_next(export: Path, tmp_path: Path) -> None:
    (export / "manifest.json").unlink()
    (export / "unfinished").write_text("")
    with pytest.raises(UsageError, match=r"no finished export: manifest\.json is missing"):
        read_features(export)
    export_features(load(), export)
    assert len(list(read_features(export).documents)) == 4


def test_an_export_that_fails_leaves_nothing_and_its_run_fails(tmp_path: Path) -> None:
    version = run()
    with Workspace().store(load()) as store, store.write(store.versions()[version]) as index:
        index.delete([next(iter(index.ids()))])
    with pytest.raises(BackendError, match=r"has no point.*tools\.index repair"):
        export_features(load(), tmp_path / "export")
    assert content(tmp_path / "export") == {}
    with Workspace().warehouse() as warehouse:
        assert warehouse.run_record(2)["status"] == "failed"


def test_a_collection_at_work_is_not_exported(indexed: Path, tmp_path: Path) -> None:
    stages.open_run("feature", {}, ["collection default"])
    with pytest.raises(BackendError, match=r"is held by run 3"):
        export_features(load(), tmp_path / "export")
    assert not (tmp_path / "export").exists()


@pytest.mark.parametrize(("version", "message"), [("v9", "there are: v1"), ("", "no active version")])
def test_what_is_not_there_cannot_be_exported(indexed: Path, tmp_path: Path, version: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        export_features(load("default" if version else "never"), tmp_path / "export", version)
    assert not (tmp_path / "export").exists()


def test_an_export_is_noted_as_made_from_its_documents(made: Path, export: Path) -> None:
    with Workspace().warehouse() as warehouse:
        noted = warehouse.derivatives()
    assert [(one.kind, one.name, one.place) for one in noted] == [("export", "default/v1", str(made / "export"))]


# Reading back


@pytest.mark.parametrize("table", ["documents", "chunks"])
@pytest.mark.parametrize("harm", ["flip", "cut", "grow", "remove", "swap", "link"])
def test_a_damaged_file_is_refused_and_named(export: Path, table: str, harm: str) -> None:
    path = export / table / "source=docs" / "part-00000.parquet"
    other = export / table / "source=notes%2F2" / "part-00000.parquet"
    raw = path.read_bytes()
    if harm == "flip":
        path.write_bytes(raw[:100] + bytes([raw[100] ^ 1]) + raw[101:])
    elif harm == "cut":
        path.write_bytes(raw[:-7])
    elif harm == "grow":
        path.write_bytes(raw + b"x")
    elif harm == "remove":
        path.unlink()
    elif harm == "swap":
        shutil.copy(other, path)
    else:
        shutil.move(path, export.parent / "moved")
        path.symlink_to(export.parent / "moved")
    with pytest.raises(UsageError, match=r"part-00000\.parquet"):
        read_features(export)


@pytest.mark.parametrize(
    "name", ["code.pkl", "chunks/source=docs/part-00001.parquet", "chunks/source=evil/part-00000.parquet"]
)
def test_a_foreign_file_is_refused_and_named(export: Path, name: str) -> None:
    (export / name).parent.mkdir(exist_ok=True)
    (export / name).write_bytes(b"anything")
    with pytest.raises(UsageError, match=Path(name).name):
        read_features(export)


@pytest.mark.parametrize("text", ["", "{}", "[1]", "\x00\xff", '{"format": "other"}', '{"a":' * 9999])
def test_a_manifest_that_is_none_is_refused(export: Path, text: str) -> None:
    (export / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(UsageError, match=r"manifest\.json"):
        read_features(export)


def test_an_edited_manifest_is_refused(export: Path) -> None:
    manifest = export / "manifest.json"
    manifest.write_text(manifest.read_text().replace("hashing-256", "hashing-257"))
    with pytest.raises(UsageError, match="was changed or damaged"):
        read_features(export)


def test_a_manifest_that_points_outside_is_refused(export: Path) -> None:
    (export.parent / "part-00000.parquet").write_bytes(b"x")

    def outside(manifest: FeatureManifest) -> FeatureManifest:
        first = manifest.files[0].model_copy(update={"path": "documents/../../part-00000.parquet"})
        return manifest.model_copy(update={"files": (first, *manifest.files[1:])})

    reseal(export, outside)
    with pytest.raises(UsageError, match="no path of an export"):
        read_features(export)


def test_a_forged_vector_is_refused_before_anything_is_written(export: Path, elsewhere: Callable[[str], Path]) -> None:
    forge(export, "vector", array("f", [float("nan")] * 256))
    other = elsewhere("other")
    with pytest.raises(UsageError, match="does not have the id or the hash"):
        import_features(load(), export)
    assert not (other / "warehouse.db").exists()


@pytest.mark.parametrize(
    ("column", "value"), [("text", "Owls are whales."), ("uri", "http://evil"), ("digest", "0" * 32), ("tokens", 1)]
)
def test_a_forged_chunk_is_refused(export: Path, column: str, value: object, elsewhere: Callable[[str], Path]) -> None:
    forge(export, column, value)
    elsewhere("other")
    with pytest.raises(UsageError, match="does not have the id or the hash"):
        import_features(load(), export)


def forge(folder: Path, column: str, value: object) -> None:
    """Change the first chunk of an export, and all hashes that would show it."""
    from dataclasses import replace

    from llm_engineering.infrastructure.parquet.feature_writing import new_export

    features = read_features(folder)
    documents, chunks = list(features.documents), list(features.chunks)
    chunks[0] = replace(chunks[0], **{column: value})  # type: ignore[arg-type]
    sources = sorted({file.source for file in features.manifest.files})
    files = []
    with new_export(folder, sources, force=True) as writer:
        for source in sources:
            files.append(writer.write_documents(source, [row for row in documents if row.source_name == source]))
            files.append(writer.write_chunks(source, [row for row in chunks if row.source_name == source], 256))
        writer.seal(features.manifest.model_copy(update={"files": tuple(files)}).sealed())


# Import


def test_an_import_into_another_home_makes_the_same_index_without_a_model(
    export: Path, home: Path, elsewhere: Callable[[str], Path]
) -> None:
    before = seen(home)
    other = elsewhere("other")
    report = import_features(load(), export)
    assert (report.new, report.embedded, report.points) == (4, 0, len(before))
    assert seen(other) == before
    assert stages.search(config(TEXTS), ["owls hunt"], {}, 1)[0][0].uri == "b.md"


def test_after_an_import_a_run_finds_nothing_to_do(export: Path, elsewhere: Callable[[str], Path]) -> None:
    elsewhere("other")
    import_features(load(), export)
    report = plain.feature(config(TEXTS))
    assert (report.index_version, report.unchanged, report.embedded, report.written) == ("v1", 4, 0, 0)


def test_an_export_of_an_import_is_the_same_but_for_the_run(
    export: Path, tmp_path: Path, elsewhere: Callable[[str], Path]
) -> None:
    elsewhere("other")
    import_features(load(), export)
    export_features(load(), tmp_path / "again")
    difference = feature_versions.compare_exports(export, tmp_path / "again")
    assert difference.is_empty
    assert [row.vector for row in read_features(tmp_path / "again").chunks] == [
        row.vector for row in read_features(export).chunks
    ]


def test_an_import_can_be_repeated_and_continued(export: Path, elsewhere: Callable[[str], Path]) -> None:
    elsewhere("other")
    first = import_features(load(), export)
    with Workspace().warehouse() as warehouse:
        ids = [state.document_id for state in warehouse.indexed("default", "v1")]
        warehouse.forget_indexed("default", "v1", ids[:1])
    again = import_features(load(), export)
    assert (again.points, again.index_version) == (first.points, "v1")
    assert 0 < again.written < first.points


def test_an_import_makes_files_that_cannot_be_read_again_in_the_same_run(
    export: Path, elsewhere: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere("other")
    first = import_features(load(), export)
    tries = 0

    def broken_once(index: EdgeIndex) -> Iterator[str]:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise BackendError("the shard cannot be read")
        return ids(index)

    ids = EdgeIndex.ids
    monkeypatch.setattr(EdgeIndex, "ids", broken_once)
    assert import_features(load(), export).points == first.points
    assert tries > 1


def test_an_import_under_another_name_beside_the_original(export: Path, home: Path) -> None:
    report = import_features(load("copy"), export)
    assert (report.embedded, report.index_version) == (0, "v1")
    assert seen(home, "copy") == seen(home)


def test_other_texts_in_the_warehouse_are_not_overwritten(export: Path, elsewhere: Callable[[str], Path]) -> None:
    elsewhere("other")
    run({"docs": {"a.md": "A newer text."}})
    with pytest.raises(UsageError, match=r"1 document with another content.*a\.md"):
        import_features(load("copy"), export)
    with Workspace().warehouse() as warehouse:
        assert len(list(warehouse.live())) == 1


def test_an_import_does_not_bring_back_what_was_erased(export: Path, elsewhere: Callable[[str], Path]) -> None:
    elsewhere("other")
    row = next(iter(read_features(export).documents))
    with Workspace().warehouse() as warehouse:
        run = warehouse.start_run("forget", {})
        warehouse.remember_forgotten({digest_of("uri", row.uri): "uri"}, run)
        warehouse.finish_run(run, "completed", {})
    with pytest.raises(UsageError, match=r"holds 1 forgotten document \("):
        import_features(load(), export)


def test_a_version_with_other_documents_is_not_mixed_with(export: Path, elsewhere: Callable[[str], Path]) -> None:
    elsewhere("other")
    run({"more": {"z.md": "Another document."}})
    with pytest.raises(UsageError, match="--collection NAME"):
        import_features(load(), export)
    assert len(seen(Path(Settings().root))) == 1


# Comparison


def test_two_versions_differ_in_settings_and_documents_and_chunks() -> None:
    run()
    more = {"docs": {"a.md": TEXTS["docs"]["a.md"], "b.md": "Owls sleep.", "d.md": "New."}}
    run(more, "tokenizing.language=none")
    difference = feature_versions.compare_versions(load(), "v1", "v2")
    assert (difference.documents.only_left, difference.documents.only_right) == (2, 1)
    assert (difference.documents.changed, difference.documents.same) == (1, 1)
    assert difference.documents.first_only_left == ("c.txt", "empty.md")
    assert difference.documents.first_only_right == ("d.md",)
    assert difference.documents.first_changed == ("b.md",)
    assert difference.chunks.kept == 1
    keys = {setting.key: (setting.left, setting.right) for setting in difference.settings}
    assert keys == {"tokenizing.language": ("english", "none")}
    assert "b.md" in difference.summary()


def test_a_version_equals_itself() -> None:
    run()
    difference = feature_versions.compare_versions(load(), "v1", "v1")
    assert difference.is_empty
    assert difference.documents.same == 4


def test_a_version_that_is_not_there_cannot_be_compared() -> None:
    run()
    with pytest.raises(UsageError, match="there are: v1"):
        feature_versions.compare_versions(load(), "v1", "v2")


def test_two_exports_compare_as_their_versions_do(export: Path, tmp_path: Path) -> None:
    run(TEXTS, "tokenizing.language=none")
    export_features(load(), tmp_path / "second")
    exports = feature_versions.compare_exports(export, tmp_path / "second")
    versions = feature_versions.compare_versions(load(), "v1", "v2")
    assert exports.model_copy(update={"left": "", "right": ""}) == versions.model_copy(update={"left": "", "right": ""})
    assert [setting.key for setting in exports.settings] == ["tokenizing.language"]

"""Erasure, end to end on plain runs: nothing of what was forgotten stays in the home, and nothing comes back."""

import json
from pathlib import Path

import pytest
from byte_scan import places_of

from llm_engineering import feature_versions, plain, stages
from llm_engineering.application.verification import examine
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import BatchInferenceConfig, FeatureConfig, Load, read_config
from llm_engineering.domain.erasure import MASK, ErasureReport, Target, digest_of
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.lineage import Derivative
from llm_engineering.domain.reports import BatchReport, Report
from llm_engineering.erasure import forget
from llm_engineering.infrastructure.vector_stores import QdrantEdge
from llm_engineering.infrastructure.vector_stores.qdrant_edge import purge as edge_purge

pytestmark = pytest.mark.slow

CANARIES = ("Zwitschern", "Piepmatz", "Vogelname")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    for number in range(6):
        (folder / f"note-{number}.md").write_text(f"# Note {number}\n\nThis is note number {number}, about whales.\n")
    (folder / "Piepmatz.md").write_text("# Zwitschern\n\nThe secret word is Zwitschern, and nobody may know.\n")
    return folder


def config(folder: Path, *overrides: str, name: str = "docs") -> FeatureConfig:
    sources = f"ingest.sources=[{{kind: files, name: {name}, root: {folder}}}]"
    return read_config(FeatureConfig, None, [sources, "embedding.kind=hashing", *overrides])


def run(folder: Path, *overrides: str, name: str = "docs") -> Report:
    return plain.feature(config(folder, *overrides, name=name))


def forget_uri(path: Path) -> ErasureReport:
    return forget(Target(kind="uri", name=path.as_uri()))


def texts(collection: str = "default") -> list[str]:
    """Return the texts that readers of a collection see."""
    with Workspace().store(Load(collection=collection)) as store, store.read() as index:
        return sorted(str(point.payload["text"]) for point in index.scan())


def assert_index_is_whole(collection: str = "default") -> None:
    """Compare every version of a collection with its ledger, point by point."""
    with Workspace().warehouse() as warehouse, Workspace().store(Load(collection=collection)) as store:
        for manifest in store.versions().values():
            with store.write(manifest) as index:
                assert examine(warehouse, index, collection, deep=True).report().problems == ()


def test_no_byte_of_a_document_stays_and_the_others_are_as_before(folder: Path, home: Path) -> None:
    run(folder)
    run(folder, "load.collection=second")
    run(folder, "tokenizing.language=none")  # a second version of the first collection
    report = forget_uri(folder / "Piepmatz.md")
    assert report.documents == 1
    assert places_of(home, CANARIES) == []
    for collection in ("default", "second"):
        assert len(texts(collection)) == 6
        assert not [text for text in texts(collection) if "Zwitschern" in text]
        assert_index_is_whole(collection)


def test_it_does_not_come_back_and_is_accounted_for(folder: Path, home: Path) -> None:
    run(folder)
    forget_uri(folder / "Piepmatz.md")
    again = run(folder)
    assert (again.found, again.unchanged, again.rejected, again.embedded, again.written) == (7, 6, 1, 0, 0)
    assert [(item.uri, item.reason) for item in again.rejections] == [(MASK, "forgotten")]
    assert places_of(home, CANARIES) == []


def test_a_page_that_cuts_and_escapes_what_it_shows_goes_too(folder: Path, home: Path) -> None:
    deep = folder / "a-folder-whose-name-is-long" / "and-another-one-below-it" / ("n" * 200)
    deep.mkdir(parents=True)
    for number in range(3):
        text = f"# Number {number}\n\nSomething else.\n\nTo be had in Piepmatz Street 7, by the old church.\n"
        (deep / f"{number}.md").write_text(text)
    run(folder, name="Vogelname & <Co>")
    assert [place for place in places_of(home, ["Piepmatz Street"]) if "reports" in place]
    for number in range(3):
        forget_uri(deep / f"{number}.md")
    assert places_of(home, ["Piepmatz Street", "n" * 50]) == []
    run(folder, name="Vogelname & <Co>")
    forget(Target(kind="source", name="Vogelname & <Co>"))
    assert places_of(home, ["Vogelname"]) == []


def test_an_old_version_held_the_word(folder: Path, home: Path) -> None:
    run(folder)
    (folder / "Piepmatz.md").write_text("# Harmless\n\nNothing to see here.\n")
    run(folder)
    forget_uri(folder / "Piepmatz.md")
    assert places_of(home, CANARIES) == []


def test_a_document_that_was_renamed_goes_under_both_names_and_stays_away_under_a_third(
    folder: Path, home: Path
) -> None:
    run(folder)
    (folder / "Piepmatz.md").rename(folder / "Vogelname.md")
    run(folder)
    assert forget_uri(folder / "Vogelname.md").documents == 2
    assert places_of(home, CANARIES) == []
    (folder / "Vogelname.md").rename(folder / "third-name.md")
    assert run(folder).rejections[0].reason == "forgotten"
    assert places_of(home, CANARIES) == []


def test_a_copy_that_is_still_there_stays_and_is_named(folder: Path) -> None:
    (folder / "copy.md").write_text((folder / "Piepmatz.md").read_text())
    run(folder)
    report = forget_uri(folder / "Piepmatz.md")
    assert report.twins == ((folder / "copy.md").as_uri(),)
    again = run(folder)
    assert (again.unchanged, again.rejected) == (7, 1)
    assert [text for text in texts() if "Zwitschern" in text]


def test_a_copy_that_says_something_else_by_now_loses_what_it_said(folder: Path, home: Path) -> None:
    copy = folder / "copy.md"
    copy.write_text((folder / "Piepmatz.md").read_text())
    run(folder)
    copy.write_text("# Copy\n\nNothing of it is left.\n")
    run(folder)
    report = forget_uri(folder / "Piepmatz.md")
    assert report.twins == ()
    assert places_of(home, CANARIES) == []
    assert "Nothing of it is left." in "".join(texts())
    assert_index_is_whole()
    (folder / "third-name.md").write_text((folder / "Piepmatz.md").read_text())
    assert [item.reason for item in run(folder).rejections] == ["forgotten", "forgotten"]


def test_a_document_that_was_only_ever_rejected_is_forgotten(folder: Path, home: Path) -> None:
    (folder / "Vogelname.md").write_text("")
    run(folder)
    report = forget_uri(folder / "Vogelname.md")
    assert report.documents == 0
    assert places_of(home, ["Vogelname"]) == []
    run(folder)
    assert places_of(home, ["Vogelname"]) == []


def test_a_path_will_do_as_an_address(folder: Path, home: Path) -> None:
    run(folder)
    forget(Target(kind="uri", name=str(folder / "Piepmatz.md")))
    assert places_of(home, CANARIES) == []


def test_a_deleted_document_is_forgotten_with_its_tombstone(folder: Path, home: Path) -> None:
    run(folder)
    (folder / "Piepmatz.md").unlink()
    run(folder)
    assert places_of(home, CANARIES)
    forget_uri(folder / "Piepmatz.md")
    assert places_of(home, CANARIES) == []


def test_a_source_is_forgotten_with_its_name(folder: Path, home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "kept.md").write_text("# Kept\n\nThis one stays.\n")
    run(folder, name="Vogelname")
    run(other)
    both = config(folder, name="Vogelname")
    both = both.model_copy(update={"ingest": config(other).ingest})
    forget(Target(kind="source", name="Vogelname"))
    assert places_of(home, CANARIES) == []
    assert run(other).unchanged == 1
    with pytest.raises(UsageError, match="forgotten"):
        run(folder, name="Vogelname")
    # The same documents under another name of the source are the same documents.
    assert run(folder, name="renamed").rejected == 7
    assert places_of(home, CANARIES) == []


def test_a_forgotten_source_beside_others_is_left_out(folder: Path, home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "kept.md").write_text("# Kept\n\nThis one stays.\n")
    sources = (
        f"ingest.sources=[{{kind: files, name: Vogelname, root: {folder}}}, {{kind: files, name: b, root: {other}}}]"
    )
    both = read_config(FeatureConfig, None, [sources, "embedding.kind=hashing"])
    plain.feature(both)
    forget(Target(kind="source", name="Vogelname"))
    again = plain.feature(both)
    assert (again.found, again.unchanged, again.points) == (1, 1, 1)
    assert places_of(home, CANARIES) == []


def test_a_stage_that_is_called_with_a_forgotten_source_accounts_for_it_without_reading_it(
    folder: Path, home: Path
) -> None:
    run(folder, name="Vogelname")
    forget(Target(kind="source", name="Vogelname"))
    number = stages.open_run("by hand", {})
    report = stages.ingest(config(folder, name="Vogelname").ingest, number)
    assert (report.total("found"), report.total("rejected")) == (1, 1)
    assert "Vogelname" not in report.model_dump_json()
    stages.report("by hand", number, [report])
    assert places_of(home, CANARIES) == []


def test_a_user_is_forgotten_with_name_and_documents(folder: Path, home: Path) -> None:
    run(folder)
    author = f"author={{user_full_name: Piepmatz Vogelname, links: [{folder / 'Piepmatz.md'}]}}"
    plain.feature(read_config(FeatureConfig, None, [author, "embedding.kind=hashing", "load.collection=authors"]))
    assert forget(Target(kind="user", name=" piepmatz   VOGELNAME")).documents == 1
    assert places_of(home, ["Vogelname"]) == []
    assert len(texts()) == 7  # the same file, from a source without an author
    again = plain.feature(read_config(FeatureConfig, None, [author, *_folder_of(folder)]))
    assert again.sources[0].source == "docs"
    assert places_of(home, ["Vogelname"]) == []
    with pytest.raises(UsageError, match="forgotten"):
        stages.get_or_create_user("Piepmatz Vogelname")


def _folder_of(folder: Path) -> list[str]:
    return [f"ingest.sources=[{{kind: files, name: docs, root: {folder}}}]", "embedding.kind=hashing"]


def test_an_author_in_the_metadata_counts_as_one(tmp_path: Path, home: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "page.html").write_text(
        "<html><head><title>T</title><meta name='author' content='Piepmatz Vogelname'></head><body><article><h1>T</h1>"
        "<p>A long enough paragraph about something that is worth reading, with several words.</p></article></body>"
    )
    run(tmp_path / "pages")
    assert places_of(home, ["Vogelname"])
    forget(Target(kind="user", name="Piepmatz Vogelname"))
    assert places_of(home, ["Vogelname"]) == []
    assert run(tmp_path / "pages").rejected == 1


def test_texts_in_the_configuration_itself_are_forgotten(home: Path) -> None:
    documents = '{"m://Piepmatz": "Zwitschern in the text", "m://other": "Something else"}'
    source = f"ingest.sources=[{{kind: memory, name: memo, documents: {documents}}}]"
    wanted = read_config(FeatureConfig, None, [source, "embedding.kind=hashing"])
    first = plain.feature(wanted)
    forget(Target(kind="uri", name="m://Piepmatz"))
    assert places_of(home, CANARIES) == []
    with Workspace().warehouse() as warehouse:
        kept = warehouse.run_record(first.run)
    assert "m://other" in json.dumps(kept["config"])
    assert kept["report"]["new"] == 2  # type: ignore[index]
    again = plain.feature(wanted)
    assert (again.found, again.unchanged) == (1, 1)
    assert places_of(home, CANARIES) == []


def test_one_record_of_a_file_can_be_forgotten(tmp_path: Path, home: Path) -> None:
    file = tmp_path / "records.json"
    file.write_text(json.dumps([{"id": "1", "text": "Zwitschern here"}, {"id": "2", "text": "Nothing here"}]))
    source = f"ingest.sources=[{{kind: json, name: records, url: {file}, template: '{{text}}'}}]"
    wanted = read_config(FeatureConfig, None, [source, "embedding.kind=hashing"])
    plain.feature(wanted)
    with Workspace().warehouse() as warehouse:
        record = next(found for found in warehouse.document_records("source", ["records"]) if "1" in found.key)
    assert forget(Target(kind="uri", name=record.id)).documents == 1
    assert places_of(home, CANARIES) == []
    again = plain.feature(wanted)
    assert (again.unchanged, again.rejected) == (1, 1)
    assert places_of(home, CANARIES) == []


def test_exports_in_the_home_go_and_others_are_listed(folder: Path, home: Path, tmp_path: Path) -> None:
    run(folder)
    inside, outside = home / "exports" / "v1", tmp_path / "outside"
    for place in (inside, outside):
        place.mkdir(parents=True)
        (place / "data.txt").write_text("Zwitschern")
    with Workspace().warehouse() as warehouse:
        ids = [found.id for found in warehouse.document_records("source", ["docs"])]
        for kind, place in (("export", inside), ("model", outside)):
            warehouse.record_derivative(Derivative(id=kind, kind=kind, name=kind, place=str(place), run=1), ids)
    report = forget_uri(folder / "Piepmatz.md")
    assert [made.place for made in report.derivatives] == [str(outside)]
    assert not inside.exists()
    assert (outside / "data.txt").exists()
    assert places_of(home, CANARIES) == []
    with Workspace().warehouse() as warehouse:
        assert [made.id for made in warehouse.derivatives()] == ["model"]
        record = warehouse.run_record(report.run)
        keys = warehouse.derived_from("model")
    assert record["report"]["derivatives"][0]["place"] == str(outside)  # type: ignore[index]
    assert len([key for key in keys if len(key) == 64]) == 1


def test_answers_of_a_batch_go_from_the_home_and_are_asked_again(folder: Path, home: Path, tmp_path: Path) -> None:
    run(folder)
    (tmp_path / "questions.csv").write_text("question\nWhat is the secret word?\nWhich note is about whales?\n")
    outside = tmp_path / "answers.csv"
    for output in (home / "answers.csv", outside):
        report = batch(tmp_path, output)
    assert report.answered == 2
    assert [place for place in places_of(home, ["Zwitschern"]) if "batches" in place]
    forgetting = forget_uri(folder / "Piepmatz.md")
    assert places_of(home, CANARIES) == []
    assert [(made.kind, made.place) for made in forgetting.derivatives] == [("answers", str(outside))]
    assert forgetting.notes == ()
    assert oct(next((home / "batches").iterdir()).stat().st_mode)[-3:] == "600"
    assert batch(tmp_path, outside).resumed == 1
    assert "Zwitschern" not in outside.read_text()
    assert forget_uri(folder / "Piepmatz.md").derivatives == ()


def batch(folder: Path, output: Path) -> BatchReport:
    """Answer the questions in a folder, each from one passage."""
    settings = [f"batch={{input: {folder / 'questions.csv'}, output: {output}, k: 1}}", "embedding.kind=hashing"]
    report = plain.batch_inference(read_config(BatchInferenceConfig, None, settings)).batch
    assert report is not None
    return report


def test_an_export_does_not_bring_it_back(folder: Path, home: Path, tmp_path: Path) -> None:
    run(folder, name="Vogelname")
    feature_versions.export_features(Load(), tmp_path / "export")
    report = forget(Target(kind="source", name="Vogelname"))
    assert [made.place for made in report.derivatives] == [str(tmp_path / "export")]
    with pytest.raises(UsageError, match="7 forgotten documents"):
        feature_versions.import_features(Load(), tmp_path / "export")
    assert places_of(home, CANARIES) == []


def test_logs_lose_lines_and_strays_go(folder: Path, home: Path) -> None:
    run(folder)
    uri = (folder / "Piepmatz.md").as_uri()
    (home / "dashboard.log").write_text(f"started\nGET {uri}\nended\n")
    (home / "spool" / "1-left").mkdir(parents=True)
    (home / "exports").mkdir()
    (home / "exports" / "half.json").write_text(json.dumps({"uri": uri, "text": "Zwitschern"}))
    report = forget_uri(folder / "Piepmatz.md")
    assert (home / "dashboard.log").read_text() == "started\nended\n"
    assert places_of(home, CANARIES) == []
    assert report.notes == ()


def test_files_of_others_in_the_home_are_named_and_not_touched(folder: Path, home: Path) -> None:
    run(folder)
    (home / "my notes").mkdir()
    (home / "my notes" / "todo.txt").write_text(f"read {folder / 'Piepmatz.md'}")
    report = forget_uri(folder / "Piepmatz.md")
    assert "my notes/todo.txt" in report.notes[0]
    assert (home / "my notes" / "todo.txt").exists()


def test_an_erasure_works_alone(folder: Path) -> None:
    run(folder)
    other = stages.open_run("feature", {}, ["collection unheard-of"])
    with pytest.raises(BackendError, match=f"at work: {other}"):
        forget_uri(folder / "Piepmatz.md")


def test_a_half_done_erasure_of_most_documents_is_no_mass_deletion(folder: Path) -> None:
    run(folder)
    with Workspace().warehouse() as warehouse:
        digests = {digest_of("uri", (folder / f"note-{number}.md").as_uri()): "uri" for number in range(5)}
        warehouse.remember_forgotten(digests, warehouse.start_run("forget", {}))
    again = run(folder)
    assert (again.deleted, again.failed, again.points) == (5, 0, 2)


def test_a_dry_run_changes_nothing_and_says_what_would_go(folder: Path, home: Path) -> None:
    run(folder)
    before = {
        path: path.read_bytes() for path in home.rglob("*") if path.is_file() and "warehouse.db-" not in path.name
    }
    report = forget(Target(kind="uri", name=(folder / "Piepmatz.md").as_uri()), dry_run=True)
    assert (report.dry_run, report.documents, report.run) == (True, 1, 0)
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(
    ("kind", "name", "near"),
    [
        ("uri", "file:///nowhere/Piepmat.md", "Piepmatz.md"),
        ("user", "Nobody Atall", "no user"),
        ("source", "dosc", "docs"),
    ],
)
def test_what_nobody_knows_is_refused_with_what_is_near(folder: Path, kind: str, name: str, near: str) -> None:
    run(folder)
    with pytest.raises(UsageError, match=near):
        forget(Target.model_validate({"kind": kind, "name": name}))


def test_forgetting_twice_is_no_error(folder: Path, home: Path) -> None:
    run(folder)
    forget_uri(folder / "Piepmatz.md")
    assert forget_uri(folder / "Piepmatz.md").documents == 0
    assert places_of(home, CANARIES) == []


def test_a_run_at_work_is_not_disturbed(folder: Path) -> None:
    run(folder)
    stages.open_run("feature", {}, ["collection default"])
    with pytest.raises(BackendError, match="collection default is held by run"):
        forget_uri(folder / "Piepmatz.md")


def test_an_old_copy_that_is_being_read_stops_it_and_it_goes_on_later(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(folder)
    monkeypatch.setattr(edge_purge, "PATIENCE_SECONDS", 0.2)
    store = QdrantEdge().open(home, "default")
    with store.read() as index:
        with pytest.raises(BackendError, match="still reads"):
            forget_uri(folder / "Piepmatz.md")
        assert index.count() == 7
    forget_uri(folder / "Piepmatz.md")
    assert places_of(home, CANARIES) == []
    assert len(texts()) == 6


def test_a_version_that_was_not_published_yet_is_not_published_by_an_erasure(folder: Path, home: Path) -> None:
    run(folder)
    with Workspace().warehouse(), Workspace().store(Load(), run=2) as store:
        manifest = store.versions()["v1"]
        with store.write(manifest) as index:
            some = sorted(index.ids())[0]
            index.delete([some])
    forget_uri(folder / "note-0.md")
    seen = texts()
    assert len(seen) == 6
    with Workspace().store(Load()) as store:
        assert store.unpublished("v1")
    assert places_of(home, ["note-0"]) == []

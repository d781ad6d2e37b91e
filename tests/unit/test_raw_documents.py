"""Documents as data: what is exported comes back byte for byte, and what was erased does not."""

import json
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loguru import logger

from llm_engineering.application import raw_documents as verbs
from llm_engineering.application.cleaning import Cleaning
from llm_engineering.bootstrap import Workspace
from llm_engineering.domain.documents import Document, Rejection
from llm_engineering.domain.erasure import digest_of
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.indexes import IndexManifest, ModelCard
from llm_engineering.domain.ports import Warehouse
from llm_engineering.domain.raw_documents import RawDocument
from llm_engineering.domain.users import user_named
from llm_engineering.infrastructure.parquet import new_export
from llm_engineering.infrastructure.warehouse import open_warehouse
from llm_engineering.raw_documents import document, export_documents, import_documents, read_documents, retry, text_of

ADA = user_named("Ada Lovelace")
ODD = "a\r\nb\x00\ud800 \x1a 北京 🦀\u202e\n\n"


def documents() -> list[Document]:
    return [
        Document("file:///a.md", "docs", "markdown", ODD, "A\x00", metadata={"n": 1, "f": 0.1, "yes": True}),
        Document("file:///b.csv", "a/b=c", "record", "row", key="1", user_id=ADA.id, provenance={"etag": 'W/"1"'}),
        Document("file:///b.csv", "a/b=c", "record", "row two", key="2", provenance={"mtime": 1.5}),
        Document("file:///c.py", "", "code", "def f():\n    return 1\n"),
    ]


def stored(warehouse: Warehouse) -> dict[str, Document]:
    return {each.id: each for each in warehouse.documents([state.document_id for state in warehouse.live()])}


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Fill the warehouse of this home, and export it."""
    with Workspace().warehouse() as warehouse:
        run = warehouse.start_run("feature", {})
        warehouse.get_or_create_user(ADA)
        warehouse.put(documents(), run)
        warehouse.finish_run(run, "completed", {})
    export_documents(tmp_path / "lake")
    return tmp_path / "lake"


@pytest.fixture
def other_home(tmp_path: Path, lake: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLM_ENGINEERING_HOME", str(tmp_path / "other"))
    return tmp_path / "other"


def test_an_export_is_the_documents_byte_for_byte(lake: Path) -> None:
    manifest, rows = read_documents(lake)
    assert {row.id: row.document for row in rows} == {each.id: each for each in documents()}
    assert manifest.documents == len(rows) == 4
    assert {file.source for file in manifest.files} == {"docs", "a/b=c", ""}
    table = ds.dataset(lake / "documents", partitioning="hive").to_table()
    assert sorted(table["source_name"].to_pylist()) == ["", "a/b=c", "a/b=c", "docs"]


def test_the_same_documents_give_the_same_bytes(lake: Path, tmp_path: Path) -> None:
    assert export_documents(tmp_path / "again").digest == read_documents(lake)[0].digest


def test_another_warehouse_gets_the_same_documents_under_the_same_ids(lake: Path, other_home: Path) -> None:
    report = import_documents(lake)
    assert (report.found, report.new) == (4, 4)
    with Workspace().warehouse() as warehouse:
        assert stored(warehouse) == {each.id: each for each in documents()}
        assert list(warehouse.users([ADA.id])) == [ADA]
        assert all(warehouse.count_before(source) is None for source in ("docs", "a/b=c", ""))


def test_an_import_that_is_repeated_changes_nothing(lake: Path, other_home: Path) -> None:
    import_documents(lake)
    report = import_documents(lake)
    assert (report.new, report.changed, report.unchanged) == (0, 0, 4)
    with Workspace().warehouse() as warehouse:
        assert all(len(warehouse.version_records(each.id)) == 1 for each in documents())


def test_another_content_becomes_a_new_version_and_the_old_one_stays(lake: Path) -> None:
    changed = Document("file:///a.md", "docs", "markdown", "newer")
    with Workspace().warehouse() as warehouse:
        run = warehouse.start_run("feature", {})
        warehouse.put([changed], run)
        warehouse.finish_run(run, "completed", {})
    assert import_documents(lake).changed == 1
    with Workspace().warehouse() as warehouse:
        assert len(warehouse.version_records(changed.id)) == 3
    assert text_of(changed.id) == ODD


def test_what_was_erased_does_not_come_back(lake: Path, other_home: Path) -> None:
    erased = {digest_of("user", ADA.id): "user", digest_of("uri", "file:///a.md"): "uri"}
    with Workspace().warehouse() as warehouse:
        warehouse.remember_forgotten(erased, 0)
    report = import_documents(lake)
    assert (report.new, report.forgotten) == (2, 2)
    with Workspace().warehouse() as warehouse:
        assert {each.text for each in stored(warehouse).values()} == {"row two", "def f():\n    return 1\n"}
        assert list(warehouse.users([ADA.id])) == []


def test_an_erased_source_does_not_come_back(lake: Path, other_home: Path) -> None:
    with Workspace().warehouse() as warehouse:
        warehouse.remember_forgotten({digest_of("source", "a/b=c"): "source"}, 0)
    assert import_documents(lake).forgotten == 2


def test_an_export_in_the_home_goes_with_an_erasure(lake: Path, home: Path) -> None:
    from llm_engineering.domain.erasure import Target
    from llm_engineering.erasure import forget

    export_documents(home / "exports" / "lake")
    report = forget(Target(kind="uri", name="file:///a.md"))
    assert not (home / "exports" / "lake").exists()
    assert [left.place for left in report.derivatives] == [str(lake)], "the one elsewhere is named"


def test_a_document_is_shown_by_id_uri_and_key(lake: Path) -> None:
    with pytest.raises(UsageError, match="2 documents have the URI"):
        document("file:///b.csv")
    shown = document("file:///b.csv#2")
    assert (shown["key"], shown["came_from"]["provenance"], shown["indexes"]) == ("2", {"mtime": 1.5}, [])
    with Workspace().warehouse() as warehouse:
        run = warehouse.start_run("feature", {})
        model = ModelCard(name="m", digest="d", dimension=3, max_tokens=256)
        warehouse.register_index("test", IndexManifest(version="", fingerprint="f", model=model), run)
        warehouse.bury([shown["id"]], run)
        warehouse.finish_run(run, "completed", {})
    gone = document(shown["id"])
    assert (gone["live"], gone["indexes"][0]["state"], text_of(shown["id"])) == (False, "absent", "row two")


def damages(lake: Path) -> dict[str, object]:
    part = next(lake.glob("documents/source=docs/*.parquet"))
    manifest = lake / "manifest.json"
    text = json.loads(manifest.read_text())
    return {
        "cut": lambda: part.write_bytes(part.read_bytes()[:-7]),
        "flipped": lambda: part.write_bytes(
            bytes([*part.read_bytes()[:99], part.read_bytes()[99] ^ 1, *part.read_bytes()[100:]])
        ),
        "gone": part.unlink,
        "stranger": lambda: (lake / "documents" / "x.parquet").write_bytes(b"x"),
        "link": lambda: (part.rename(lake.parent / "p"), part.symlink_to(lake.parent / "p")),
        "no manifest": manifest.unlink,
        "half a manifest": lambda: manifest.write_text(manifest.read_text()[:200]),
        "a manifest of more": lambda: manifest.write_text(json.dumps(text | {"documents": 9})),
        "a path outside": lambda: manifest.write_text(
            manifest.read_text().replace("documents/source=docs", "../source=docs")
        ),
        "a manifest of features": lambda: manifest.write_text(
            json.dumps(text | {"format": "llm-engineering features"})
        ),
        "a later one": lambda: manifest.write_text(json.dumps(text | {"format_version": 2})),
    }


@pytest.mark.parametrize(
    "damage",
    [
        "cut",
        "flipped",
        "gone",
        "stranger",
        "link",
        "no manifest",
        "half a manifest",
        "a manifest of more",
        "a path outside",
        "a manifest of features",
        "a later one",
    ],
)
def test_a_damaged_or_foreign_export_is_refused_and_nothing_is_written(
    lake: Path, other_home: Path, damage: str
) -> None:
    damages(lake)[damage]()  # type: ignore[operator]
    with pytest.raises(UsageError):
        import_documents(lake)
    assert not (other_home / "warehouse.db").exists()


def test_rows_that_are_not_what_they_are_named_are_refused(tmp_path: Path, warehouse: Warehouse) -> None:
    from dataclasses import replace

    from llm_engineering.domain.raw_documents import DocumentManifest

    row = replace(RawDocument.of(documents()[0]), content_hash="0" * 64)
    with new_export(tmp_path / "forged", ["docs"]) as writer:
        file = writer.write_raw("docs", [row])
        writer.seal(DocumentManifest(documents=1, files=(file,)).sealed())
    with pytest.raises(UsageError, match=r"file:///a\.md"):
        import_documents(tmp_path / "forged")


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path, lake: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match=r"letter\.txt"):
        export_documents(tmp_path / "mine")
    with pytest.raises(UsageError, match="--force"):
        export_documents(lake)
    assert export_documents(lake, force=True).documents == 4


def test_one_source_is_exported_alone_and_an_unknown_one_is_named(tmp_path: Path, lake: Path) -> None:
    assert export_documents(tmp_path / "one", "docs").documents == 1
    with pytest.raises(UsageError, match="it has: "):
        export_documents(tmp_path / "none", "dosc")
    assert not (tmp_path / "none").exists()


def put(*some: Document) -> None:
    with Workspace().warehouse() as warehouse:
        run = warehouse.start_run("feature", {})
        warehouse.put(some, run)
        warehouse.finish_run(run, "completed", {})


def test_a_cleaned_export_leaves_out_and_names_what_a_cleaner_raises_on(tmp_path: Path, lake: Path) -> None:
    put(Document("file:///v.md", "docs", "text", "A volcano."))
    cleaning = Cleaning.model_validate({"cleaners": [{"kind": "python", "function": "own_functions:clean"}]})
    said: list[str] = []
    sink = logger.add(said.append, format="{message}")
    manifest = export_documents(tmp_path / "cleaned", cleaning=cleaning)
    logger.remove(sink)
    assert (manifest.documents, manifest.left_out) == (4, {"cleaner_failed": 1})
    assert [line for line in said if "file:///v.md" in line and "cannot clean" in line]
    again, rows = read_documents(tmp_path / "cleaned")
    assert (again, "file:///v.md" in {row.uri for row in rows}) == (manifest, False)


def test_what_pii_masks_or_refuses_is_in_no_file_of_a_cleaned_export(tmp_path: Path, lake: Path) -> None:
    pytest.importorskip("presidio_analyzer", reason="the cleaner pii needs the extra 'pii'")
    secret = "ada@lovelace-family.org"
    mail = Document("file:///m.eml", "mails", "text", f"From {secret}.", "Hi", metadata={"from": f"Ada <{secret}>"})
    put(mail)
    for action, expected in (("mask", (1, {})), ("reject", (0, {"pii": 1}))):
        folder = tmp_path / action
        cleaning = Cleaning.model_validate({"cleaners": [{"kind": "pii", "action": action}]})
        manifest = export_documents(folder, "mails", cleaning=cleaning)
        assert (manifest.documents, manifest.left_out) == expected
        _, rows = read_documents(folder)
        assert not [row for row in rows if secret in repr(row)]


@pytest.mark.parametrize("verb", ["export", "import", "retry"])
def test_a_run_at_work_on_a_source_is_waited_for(tmp_path: Path, lake: Path, verb: str) -> None:
    with Workspace().warehouse() as warehouse:
        run = warehouse.start_run("feature", {}, ["source docs"])
        warehouse.reject([Rejection("file:///x", "docs", "binary", "it is no text")], run)
    with pytest.raises(BackendError, match="source docs is held by run"):
        {"export": lambda: export_documents(tmp_path / "n"), "import": lambda: import_documents(lake), "retry": retry}[
            verb
        ]()
    assert not (tmp_path / "n").exists()


def test_a_second_look_is_asked_for_once(lake: Path) -> None:
    with Workspace().warehouse() as warehouse:
        run = warehouse.start_run("feature", {})
        many = [Rejection(f"file:///{n}", "docs", "binary", "it is no text") for n in range(1_203)]
        warehouse.reject([*many, Rejection("(forgotten)", "(forgotten)", "forgotten", "erased")], run)
        warehouse.finish_run(run, "completed", {})
    assert retry(reason="wall") == 0
    assert retry("docs") == 1_203
    assert retry() == 0, "what was erased is not looked at again"
    with pytest.raises(UsageError, match="no source 'dosc'"):
        retry("dosc")


texts = st.text(alphabet=st.characters(exclude_categories=[]), max_size=40)
names = st.text(max_size=40)  # a source or an address with half a character has no id
scalars = st.one_of(texts, st.integers(-(2**53), 2**53), st.floats(allow_nan=False), st.booleans())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(texts, names, names, st.dictionaries(texts, scalars, max_size=3)), max_size=6))
def test_any_documents_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, made: list[tuple]) -> None:
    unique = {}
    for text, source, uri, metadata in made:
        each = Document(uri, source, "text", text, title=text[:5], metadata=metadata, provenance=metadata)
        unique[each.id] = each
    first, second = open_warehouse("sqlite://"), open_warehouse("sqlite://")
    folder = tmp_path_factory.mktemp("lake") / "x"
    quiet = lambda rows, *_, **__: rows  # noqa: E731
    first.put(list(unique.values()), first.start_run("feature", {}))
    sources = [count.source for count in first.source_counts()]
    with new_export(folder, sources) as writer:
        verbs.export(first, sources, writer, quiet)
    manifest, rows = read_documents(folder)
    verbs.check(manifest, rows, quiet)
    verbs.take_in(second, manifest, rows, second.start_run("import", {}), quiet)
    assert stored(second) == unique
    first.close()
    second.close()

"""Lineage, in both directions, over the stores of a home."""

import re
from pathlib import Path

import pytest
from command_lines import called

from llm_engineering import plain
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import FeatureConfig, read_config
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.lineage import Derivative
from llm_engineering.lineage import lineage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Run twice, with an edit in between, and note a model made from the first document."""
    folder = tmp_path / "documents"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.md").write_text(f"# {name}\n\nThis is document {name}.\n")
    _run(folder)
    (folder / "a.md").write_text("# a\n\nThis is document a, edited.\n")
    _run(folder)
    with Workspace().warehouse() as warehouse:
        (document,) = warehouse.document_records("uri", [(folder / "a.md").as_uri()])
        model = Derivative(id="m", kind="model", name="gpt", place="s3://models/gpt", run=2)
        warehouse.record_derivative(model, [document.id])
    return folder


def _run(folder: Path) -> None:
    source = f"ingest.sources=[{{kind: files, name: docs, root: {folder}}}]"
    author = f"author={{user_full_name: Ada Lovelace, links: [{folder / 'b.md'}]}}"
    plain.feature(read_config(FeatureConfig, None, [source, author, "embedding.kind=hashing"]))


def test_a_document_leads_to_its_run_and_to_all_that_was_made_of_it(folder: Path) -> None:
    answer = lineage((folder / "a.md").as_uri())
    assert (answer["kind"], answer["from"]["source"]) == ("document", "docs")
    (run,) = answer["from"]["runs"]
    assert (run["run"], run["pipeline"]) == (2, "feature")
    assert run["configuration"]["embedding"]["kind"] == "hashing"
    assert [version["run"] for version in answer["into"]["versions"]] == [1, 2]
    (index,) = answer["into"]["indexes"]
    assert (index["collection"], index["version"], index["chunks"]) == ("default", "v1", 1)
    assert [made["place"] for made in answer["into"]["derivatives"]] == ["s3://models/gpt"]


def test_people_read_what_was_made_of_a_document_and_not_a_whole_configuration(folder: Path) -> None:
    shown = called("lineage", str(folder / "a.md"))
    assert "live: yes" in shown.out
    assert re.search(r"configuration: \d+ sections \(--json shows them\)", shown.out)
    assert "s3://models/gpt" in shown.out
    assert not {"None", "True", "False"} & set(shown.out.split())


def test_a_chunk_leads_to_its_document_version_and_configuration(folder: Path) -> None:
    (chunk_id,) = lineage(str(folder / "a.md"))["into"]["indexes"][0]["chunk_ids"]
    answer = lineage(chunk_id)
    text = (folder / "a.md").read_text()
    (place,) = answer["into"]["indexes"]
    assert text[place["span"]["start"] : place["span"]["end"]] == text.strip()
    assert answer["from"]["document"]["uri"] == (folder / "a.md").as_uri()
    assert answer["version"]["content_hash"] == answer["from"]["document"]["content_hash"]
    assert answer["from"]["runs"][0]["run"] == 2
    assert answer["into"]["derivatives"][0]["name"] == "gpt"


def test_a_source_leads_to_everything_derived_from_it(folder: Path) -> None:
    answer = lineage("docs")
    assert answer["kind"] == "source"
    assert answer["into"]["documents"] == {"live": 2, "all": 2}
    assert answer["into"]["stored_by_runs"] == [1, 2]
    assert [(held["version"], held["documents"], held["chunks"]) for held in answer["into"]["indexes"]] == [
        ("v1", 2, 2)
    ]
    assert [made["id"] for made in answer["into"]["derivatives"]] == ["m"]


def test_a_user_leads_to_documents(folder: Path) -> None:
    answer = lineage("ada LOVELACE")
    assert (answer["kind"], answer["into"]["uris"]) == ("user", [(folder / "b.md").as_uri()])


def test_a_uri_of_two_sources_has_two_answers(folder: Path) -> None:
    sources = [document["from"]["source"] for document in lineage((folder / "b.md").as_uri())["documents"]]
    assert sorted(sources) == sorted(["docs", str(folder / "b.md")])


def test_a_run_an_index_version_and_a_model_can_be_asked_for(folder: Path) -> None:
    run = lineage("2")
    assert (run["kind"], run["into"]["documents"], run["into"]["derivatives"][0]["id"]) == ("run", 1, "m")
    assert lineage("run 1")["into"]["indexes"] == ["default/v1"]
    index = lineage("default/v1")
    assert (index["into"]["documents"], index["from"]["runs"][0]["run"]) == (3, 1)
    model = lineage("gpt")
    assert (model["kind"], model["from"]["sources"], model["from"]["no_longer_there"]) == ("model", ["docs"], 0)


@pytest.mark.parametrize("name", ["", " ", "dogs", "99", "default/v9", "00000000-0000-0000-0000-000000000000", "x\0y"])
def test_what_nobody_knows_is_refused_with_what_would_do(folder: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"give the id|there is no run 99"):
        lineage(name)

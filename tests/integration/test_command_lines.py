"""The command lines as a user types them, good and bad."""

import json
from pathlib import Path

import pytest
from command_lines import ROOT, called, config_file, indexed, python, tool


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "a.md").write_text("# Alpha\n\nThe first document talks about whales.\n")
    (folder / "b.txt").write_text("The second one is about mountains.\n")
    return config_file(tmp_path, f"{{kind: files, name: docs, root: {folder}}}")


def test_help_lists_the_pipelines_and_imports_nothing_heavy(home: Path) -> None:
    code = (
        "import sys, runpy; sys.argv = ['run', '--help']\n"
        "try: runpy.run_module('tools.run', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'zenml', 'sqlalchemy', 'pyarrow', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    helped = python(home, ["-c", code])
    assert helped.code == 0, helped.err
    for name in ("feature", "digital_data_etl", "feature_engineering"):
        assert name in helped.out


@pytest.mark.parametrize("name", ["ask", "lineage"])
def test_bytes_that_are_no_text_are_one_sentence(name: str) -> None:
    told = called(name, "caf\udce9")
    assert told.code == 2
    assert "'caf\\udce9' is no text in UTF-8" in told.err


def test_a_run_and_a_search(home: Path, config: Path) -> None:
    ran = tool(home, "run", "feature", "--config", str(config), "--plain")
    assert ran.code == 0, ran.err
    assert "2 found = 2 new" in ran.out
    found = tool(home, "search", "whales", "--config", str(config))
    assert found.code == 0, found.err
    assert "a.md" in found.out
    assert "[0:" in found.out


def test_many_queries_at_once(home: Path, config: Path, tmp_path: Path) -> None:
    indexed(config)
    queries = tmp_path / "queries.txt"
    queries.write_text("whales\n\nmountains\n")
    rows = tool(home, "search", "--queries", str(queries), "--config", str(config), "-k", "1", "--json").last_line
    assert [row["query"] for row in rows] == ["whales", "mountains"]
    assert [Path(row["hits"][0]["uri"]).name for row in rows] == ["a.md", "b.txt"]


def test_a_filter_keeps_only_what_matches(home: Path, tmp_path: Path) -> None:
    records = [{"text": "about whales", "course": "sea"}, {"text": "about whales too", "course": "land"}]
    (tmp_path / "records.json").write_text(json.dumps(records))
    source = f"{{kind: json, name: records, url: {tmp_path}/records.json, template: '{{text}}', metadata: [course]}}"
    config = config_file(tmp_path, source)
    indexed(config)
    command = ("search", "whales", "--config", str(config), "--json", "--filter")
    assert [hit["text"] for hit in tool(home, *command, "course=land").last_line] == ["about whales too"]
    assert tool(home, *command, "course=air").last_line == []
    assert tool(home, *command, "course").code == 2


def test_a_dry_run_says_what_would_be_done_and_does_nothing(home: Path, config: Path) -> None:
    dry = tool(home, "run", "feature", "--config", str(config), "--dry-run")
    assert dry.code == 0, dry.err
    for words in ("ingest", "docs (files)", "build a new index version", "hashing-256", "average_length"):
        assert words in dry.out
    assert not (home / "warehouse.db").exists()
    assert not (home / "feature_store").exists()
    assert tool(home, "run", "feature", "--config", str(config), "--dry-run", "--json").last_line["dry_run"] is True


def test_rejections_alone_pass_unless_the_run_is_strict(home: Path, config: Path) -> None:
    (config.parent / "documents" / "broken.txt").write_bytes(b"\x00\x01\x02\xff" * 100)
    command = ("run", "feature", "--config", str(config), "--plain", "--json")
    lenient = tool(home, *command)
    assert (lenient.code, lenient.last_line["rejected"]) == (0, 1)
    strict = tool(home, *command, "--strict")
    assert strict.code == 1
    assert strict.last_line["rejected"] == 1
    assert "broken.txt" in strict.err


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["feture"], 2, "invalid choice: 'feture'"),
        (["feature", "--config", "absent.yaml"], 2, "cannot read the configuration absent.yaml"),
        (["feature", "--set", "load.colection=x"], 2, "did you mean 'collection'"),
        (["feature", "--set", "limits"], 2, "section.key=value"),
    ],
)
def test_a_wrong_command_is_answered_before_anything_runs(
    home: Path, arguments: list[str], code: int, expected: str
) -> None:
    wrong = tool(home, "run", *arguments)
    assert wrong.code == code
    assert expected in wrong.err
    assert "Traceback" not in wrong.err
    assert not (home / "warehouse.db").exists()


def test_a_wrong_key_in_the_file_is_named_with_its_line(home: Path, config: Path) -> None:
    config.write_text(config.read_text() + "retrieval:\n  kk: 3\n")
    wrong = tool(home, "run", "feature", "--config", str(config))
    assert wrong.code == 2
    assert f"{config}, line 7: unknown key 'kk' in retrieval; did you mean 'k'?" in wrong.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "give either one query or --queries FILE"),
        (["  "], "the query is empty"),
        (["x", "-k", "0"], "use 1 or more"),
        (["--queries", "absent.txt"], "cannot read the queries"),
        (["x", "--set", "load.collection=never_made"], "run"),
    ],
)
def test_a_wrong_search_is_answered_with_what_to_do(arguments: list[str], expected: str) -> None:
    wrong = called("search", *arguments)
    assert wrong.code == 2
    assert expected in wrong.err


def test_a_password_in_a_url_is_refused_and_never_shown(home: Path, tmp_path: Path) -> None:
    source = "{kind: json, name: api, url: 'http://me:hunter2@127.0.0.1:9/x.json', template: '{text}'}"
    ran = tool(home, "run", "feature", "--config", str(config_file(tmp_path, source)), "--plain", "--json")
    assert ran.code == 2
    assert "${env:MY_PASSWORD}" in ran.err
    assert "hunter2" not in ran.out + ran.err
    given = "ingest.sources=[{kind: git, url: 'https://me:hunter2@127.0.0.1:9/r.git'}]"
    again = tool(home, "run", "feature", "--plain", "--set", given)
    assert again.code == 2
    assert "hunter2" not in again.out + again.err


def test_a_password_by_reference_is_used_and_never_shown(home: Path, tmp_path: Path) -> None:
    source = (
        "{kind: json, name: api, url: 'http://me:${env:PW}@127.0.0.1:9/x.json?token=${env:PW}', template: '{text}'}"
    )
    config = config_file(tmp_path, source, more="limits: {failures: null}\n")
    options = ("--plain", "--json", "--set", "ingest.fetching.retries=0")
    ran = tool(home, "run", "feature", "--config", str(config), *options, PW="hunter2")
    assert ran.last_line["failed"] == 1
    assert "hunter2" not in ran.out + ran.err
    without = tool(home, "run", "feature", "--config", str(config), *options)
    assert "the environment variable PW is not set" in without.last_line["failures"][0]["detail"]


@pytest.mark.parametrize("wrong", [["--set", "load.colection=x"], ["--config", "absent.yaml"]])
def test_with_json_a_refused_command_ends_in_a_report_too(home: Path, wrong: list[str]) -> None:
    refused = tool(home, "run", "feature", "--json", *wrong)
    assert refused.code == 2
    assert (refused.last_line["failed"], refused.last_line["failures"][0]["reason"]) == (1, "UsageError")


def test_with_json_a_plain_run_that_dies_ends_in_a_report_too(home: Path, config: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    model = ["--set", "embedding.kind=sentence_transformers", "--set", f"embedding.model={tmp_path / 'model'}"]
    kind = config.read_text().replace("embedding: {kind: hashing}\n", "")
    config.write_text(kind)
    died = tool(home, "run", "feature", "--config", str(config), "--plain", "--json", *model)
    assert died.code == 2
    assert died.last_line["failed"] == 1


def test_a_home_that_is_a_file_is_named(tmp_path: Path, config: Path) -> None:
    (tmp_path / "file").write_text("")
    wrong = tool(tmp_path / "file", "run", "feature", "--config", str(config), "--plain")
    assert wrong.code == 2
    assert "LLM_ENGINEERING_HOME" in wrong.err
    assert "Traceback" not in wrong.err


def test_without_a_configuration_nothing_is_emptied(home: Path, config: Path, tmp_path: Path) -> None:
    indexed(config)
    elsewhere = tool(home, "run", "feature", "--plain", cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert elsewhere.code == 2
    assert "names no source" in elsewhere.err

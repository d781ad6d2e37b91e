"""`tools.warehouse` as a user types it."""

import json
from pathlib import Path

import pytest
from command_lines import called, config_file, indexed, tool


@pytest.fixture
def config(home: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "a.md").write_bytes(b"# Alpha\n\nwhales\n")
    (folder / "b.txt").write_text("mountains")
    (folder / "broken.txt").write_bytes(b"\x00\x01\x02\xff" * 100)
    path = config_file(tmp_path, f"{{kind: files, name: docs, root: {folder}}}")
    indexed(path)
    return path


@pytest.mark.slow
def test_the_warehouse_is_looked_through(home: Path, config: Path, tmp_path: Path) -> None:
    listed = tool(home, "warehouse", "list")
    assert listed.code == 0, listed.err
    assert "a.md" in listed.out
    assert "docs: 2 documents, 0 gone" in listed.out
    assert tool(home, "warehouse", "list", "--json").last_line == {
        "sources": [{"source": "docs", "live": 2, "gone": 0}]
    }
    shown = tool(home, "warehouse", "show", str(tmp_path / "documents" / "a.md"), "--json").last_line
    assert (shown["live"], shown["versions"][0]["title"]) == (True, "Alpha")
    assert shown["indexes"][0]["state"] == "up to date"
    assert shown["indexes"][0]["active"] is True
    assert shown["came_from"]["first"]["pipeline"] == "feature"
    assert tool(home, "warehouse", "show", shown["id"], "--raw").out == "# Alpha\n\nwhales\n"
    refused = tool(home, "warehouse", "rejections", "--json").last_line
    assert (refused["reason"], refused["run"]) == ("binary", 1)
    assert "broken.txt" in refused["uri"]


@pytest.mark.slow
def test_a_second_look_is_taken_by_the_next_run(home: Path, config: Path, tmp_path: Path) -> None:
    (tmp_path / "documents" / "broken.txt").write_text("mended")
    assert tool(home, "warehouse", "retry", "--json").last_line == {"items": 1}
    ran = tool(home, "run", "feature", "--config", str(config), "--plain", "--json")
    assert (ran.last_line["new"], ran.last_line["unchanged"], ran.last_line["rejected"]) == (1, 2, 0)
    assert "nothing was refused" in tool(home, "warehouse", "rejections").out
    assert tool(home, "warehouse", "retry", "--json").last_line == {"items": 0}


@pytest.mark.slow
def test_an_export_fills_another_home_and_its_run_reads_nothing_twice(home: Path, config: Path, tmp_path: Path) -> None:
    lake, other = tmp_path / "lake", tmp_path / "other"
    made = tool(home, "warehouse", "export", "--to", str(lake), "--json")
    assert made.last_line["documents"] == 2, made.err
    taken = tool(other, "warehouse", "import", "--from", str(lake), "--json").last_line
    assert (taken["new"], taken["unchanged"]) == (2, 0)
    ran = tool(other, "run", "feature", "--config", str(config), "--plain", "--json").last_line
    assert (ran["new"], ran["unchanged"], ran["points"]) == (0, 2, 2)
    third = tmp_path / "third"
    start = ("run", "feature_engineering", "--plain", "--from", str(lake))
    strange = tool(third, *start, "--set", "select.sources=[other]")
    assert (strange.code, "holds documents of docs" in strange.err) == (2, True), strange.err
    assert "no documents" in tool(third, "warehouse", "list").out
    assert tool(third, *start, "--config", str(config), "--json").last_line["points"] == 2
    (lake / "manifest.json").unlink()
    refused = tool(other, "warehouse", "import", "--from", str(lake))
    assert refused.code == 2
    assert "manifest.json is missing" in refused.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["show", "nothing"], "no document with the id or URI 'nothing'"),
        (["list", "--source", "nix"], "no source 'nix'"),
        (["rejections", "--source", "nix"], "no source 'nix'"),
        (["retry", "--source", "nix"], "no source 'nix'"),
        (["list", "--user", " "], "give at least one word"),
        (["import", "--from", "absent"], "manifest.json is missing"),
        (["export", "--to", "x", "--source", "nix"], "no source 'nix'"),
    ],
)
def test_what_cannot_be_done_is_answered_in_a_sentence(arguments: list[str], expected: str) -> None:
    wrong = called("warehouse", *arguments)
    assert wrong.code == 2, wrong.err
    assert expected in wrong.err


@pytest.mark.parametrize(
    ("arguments", "expected"), [(["show", "a\udc80b"], "no document"), (["burn"], "invalid choice")]
)
def test_a_wrong_command_is_answered_in_a_sentence(home: Path, arguments: list[str], expected: str) -> None:
    wrong = tool(home, "warehouse", *arguments)
    assert wrong.code == 2, wrong.err
    assert expected in wrong.err
    assert "Traceback" not in wrong.err


def test_an_empty_warehouse_says_what_to_type(home: Path) -> None:
    assert "run-feature-pipeline" in tool(home, "warehouse", "list").out
    assert json.loads(tool(home, "warehouse", "list", "--json").out) == {"sources": []}

"""What feature runs tell of the corpus: near-duplicates, the page, the graph; incremental, balanced, forgotten."""

import random
import re
from pathlib import Path

import pytest
from command_lines import config_file, tool

from llm_engineering import maintenance, plain
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import FeatureConfig, read_config
from llm_engineering.domain.reports import Report
from llm_engineering.infrastructure.graph_files import GraphFiles

WORDS = [f"word{number}" for number in range(500)]


def prose(seed: int) -> str:
    draw = random.Random(seed)
    return "\n\n".join(" ".join(draw.choices(WORDS, k=60)) for _ in range(4))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(6):
        text = (
            f"# Page {number}\n\n{prose(number)}\n\nThis uses Qdrant and `plan_index`.\n\nThe same footer everywhere.\n"
        )
        (folder / f"{number}.md").write_text(text)
    (folder / "copy.md").write_text((folder / "0.md").read_text().replace("footer", "foot"))
    return folder


def run(tmp_path: Path, folder: Path, more: str = "") -> Report:
    config = config_file(tmp_path, f"{{kind: files, name: docs, root: {folder}}}", more=more)
    return plain.feature(read_config(FeatureConfig, config).resolved())


def test_a_run_describes_its_index_and_draws_it(tmp_path: Path, folder: Path) -> None:
    report = run(tmp_path, folder)
    corpus = report.corpus
    assert corpus is not None
    assert corpus.duplicates is not None
    assert (corpus.documents, corpus.chunks, corpus.sampled) == (7, report.chunks, report.chunks)
    assert sum(one.chunks for one in corpus.lengths) == report.chunks
    assert [(one.name, one.count) for one in corpus.sources] == [("docs", 7)]
    assert (corpus.duplicates.duplicates, corpus.duplicates.left_out) == (1, 0)
    [boilerplate] = corpus.boilerplate
    assert "The same footer everywhere." in [line.text for line in boilerplate.lines]
    assert 0 < boilerplate.share < 0.3
    assert [one.step for one in report.steps] == ["ingest", "clean", "chunk", "tokenize", "embed", "load"]
    assert all(one.documents == 7 and not one.reused for one in report.steps)
    page = Path(report.page).read_text()
    assert f"run-{report.run}.html" in report.page
    assert len(re.findall(r"M-?\d+ -?\d+h0", page)) == report.chunks


def test_an_unchanged_run_reads_nothing_again_and_has_a_page_too(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(tmp_path, folder)
    monkeypatch.setattr("llm_engineering.application.corpus.describe", None)  # whoever called it would fail
    again = run(tmp_path, folder)
    assert again.corpus == first.corpus
    assert (again.steps, again.page != first.page) == ((), True)
    assert Path(again.page).is_file()


def test_near_duplicates_are_left_out_and_come_back_when_the_first_one_goes(tmp_path: Path, folder: Path) -> None:
    keep = "duplicates: {action: keep_first}\n"
    whole, first = run(tmp_path, folder), run(tmp_path, folder, keep)
    assert (first.found, first.unchanged) == (7, 7)
    assert first.index_version != whole.index_version, "what is indexed is another index"
    assert first.corpus is not None
    assert (first.corpus.documents, first.points < whole.points) == (6, True)
    assert "1 of 7 documents" in first.summary()
    [example] = first.corpus.duplicates.examples if first.corpus.duplicates else ()
    assert (Path(example.uri).name, Path(example.kept_uri).name) == ("copy.md", "0.md")
    config = read_config(FeatureConfig, tmp_path / "config.yaml").resolved()
    assert maintenance.verify(config).ready
    assert maintenance.repair(config).after.ready
    again = run(tmp_path, folder, keep)
    assert (again.embedded, again.written, again.removed) == (0, 0, 0)
    (folder / "0.md").unlink()
    after = run(tmp_path, folder, keep)
    assert after.corpus is not None
    assert (after.deleted, after.corpus.documents, after.embedded) == (1, 6, 0)
    assert maintenance.verify(config).ready


def test_the_graph_follows_the_index_and_reads_new_chunks_only(tmp_path: Path, folder: Path) -> None:
    graph = "graph: {most_share: 1}\n"
    first = run(tmp_path, folder, graph)
    files = GraphFiles(Workspace().home, "test", first.index_version)
    before = files.manifest()
    assert before is not None
    assert before.chunks == first.chunks
    assert {"qdrant", "plan_index"} <= {one.key for one in files.entities(before)}
    run(tmp_path, folder, graph)
    assert files.manifest() == before
    (folder / "0.md").unlink()
    after = run(tmp_path, folder, graph)
    now = files.manifest()
    assert now is not None
    assert (now.chunks, now.folder != before.folder) == (after.chunks, True)
    assert len(list(files.folder.iterdir())) == 2, "the manifest and one folder"
    # The same as one that is built at once.
    for path in files.folder.rglob("*"):
        path.unlink() if path.is_file() else None
    run(tmp_path, folder, graph)
    fresh = files.manifest()
    assert fresh is not None
    assert fresh.files == now.files


@pytest.mark.slow
def test_the_page_is_named_in_the_last_line_of_the_log_and_forgotten_with_its_documents(
    tmp_path: Path, folder: Path
) -> None:
    home = tmp_path / "home"
    config = config_file(tmp_path, f"{{kind: files, name: docs, root: {folder}}}", more="graph: {most_share: 1}\n")
    assert tool(home, "report").code == 2
    ran = tool(home, "run", "feature", "--config", str(config), "--plain")
    assert ran.code == 0, ran.err
    page = ran.err.rstrip().splitlines()[-1].rpartition(": ")[2]
    assert tool(home, "report").out.strip() == page
    assert tool(home, "report", "--run", "99").code == 2
    assert "copy.md" in Path(page).read_text()
    document = f"file://{folder}/copy.md"
    forgot = tool(home, "forget", document)
    assert forgot.code == 0, forgot.err + forgot.out
    assert not Path(page).exists()
    assert not list((home / "graphs").rglob("*.parquet"))
    assert not list((home / "duplicates").rglob("*.npz"))
    left = [path for path in home.rglob("*") if path.is_file() and b"copy.md" in path.read_bytes()]
    assert not [path for path in left if path.parts[-3] in ("reports", "graphs", "duplicates")]

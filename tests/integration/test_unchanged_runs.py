"""A run that finds nothing changed: no model, no heavy library, no fetch, no embedding, no write to the index."""

import json
from pathlib import Path

import pytest
from command_lines import config_file, python, tool

HEAVY = {"torch", "transformers", "sentence_transformers", "matplotlib", "qdrant_client", "zenml", "alembic", "lxml"}
HEAVY |= {"trafilatura", "tokenizers", "httpx", "huggingface_hub", "markdown_it", "Stemmer"}
SCRIPT = """
import json, sys
from tools.run import main
sys.argv = ["run", "feature", "--config", sys.argv[1], "--plain", "--json"]
code = main()
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
sys.exit(code)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "embedding", ["hashing", pytest.param("sentence_transformers", marks=pytest.mark.model)], ids=str
)
def test_an_unchanged_plain_run_loads_no_model_and_no_heavy_library(tmp_path: Path, embedding: str) -> None:
    folder, home = tmp_path / "docs", tmp_path / "home"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.md").write_text(f"# Page {number}\n\nThis is what page {number} says.\n")
    (folder / "page.html").write_text("<h1>Page</h1><p>This page has a few words to say, and they are these.</p>")
    config = config_file(tmp_path, f"{{kind: files, name: docs, root: {folder}}}")
    config.write_text(config.read_text().replace("kind: hashing", f"kind: {embedding}"))
    first = tool(home, "run", "feature", "--config", str(config), "--plain", "--json")
    assert (first.code, first.last_line["new"], first.last_line["embedded"]) == (0, 4, 4)
    again = python(home, ["-c", SCRIPT, str(config)])
    assert again.code == 0, again.err
    report = json.loads(again.out.splitlines()[-2])
    assert (report["unchanged"], report["embedded"], report["written"], report["removed"]) == (4, 0, 0, 0)
    assert HEAVY.isdisjoint(again.last_line)

"""The default run with the real model: the project answers questions about itself."""

from pathlib import Path

import pytest
from command_lines import tool

pytestmark = [pytest.mark.model, pytest.mark.slow]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Index the project's own documentation and source, as the README's first command does, without ZenML."""
    home = tmp_path_factory.mktemp("real") / "home"
    ran = tool(home, "run", "feature", "--plain", "--json")
    assert ran.code == 0, ran.err
    report = ran.last_line
    assert report["points"] == report["chunks"] > 500
    assert report["failed"] == report["rejected"] == 0
    return home


def test_the_project_answers_questions_about_itself(home: Path, tmp_path: Path) -> None:
    expected = {
        "how do I add a source?": ("docs/how-to-add/source.md", "README.md"),
        "which exit codes do the commands have?": "docs/operations.md",
        "why is the source part of a document's identity?": "docs/decisions/0004-identity-includes-the-source.md",
        "why are two CUDA libraries pinned?": "docs/decisions/0006-cuda-pins.md",
        "split a user's full name into first and last name": "llm_engineering/domain/users.py",
        "which layers does the architecture have?": "docs/architecture.md",
    }
    queries = tmp_path / "queries.txt"
    queries.write_text("\n".join(expected))
    rows = tool(home, "search", "--queries", str(queries), "-k", "1", "--json").last_line
    found = {row["query"]: row["hits"][0]["uri"] for row in rows}
    wrong = {query: found[query] for query, place in expected.items() if not found[query].endswith(place)}
    assert not wrong

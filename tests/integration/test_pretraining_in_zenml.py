"""Pretraining as a ZenML run, from the command line."""

import json
from pathlib import Path

import pytest
from command_lines import tool

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.training
def test_the_task_trains_and_registers_a_model_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    for name in ("cranes", "tides", "moss"):
        text = "\n".join(f"The {name} of number {n} is seen at {n * 7} o'clock by the {name} watch." for n in range(80))
        (tmp_path / "notes" / f"{name}.md").write_text(f"# About {name}\n\n{text}\n")
    settings = {
        "ingest.sources": [{"kind": "files", "name": "notes", "root": str(tmp_path / "notes")}],
        "embedding.kind": "hashing",
        "pretraining.trainer": {
            "vocabulary": {"size": 300}, "width": 32, "layers": 1, "heads": 2, "channels": 16, "steps": 6, "batch": 2,
            "evaluate_every": 3, "threads": 1,
        },
    }  # fmt: skip
    given = [part for name, value in settings.items() for part in ("--set", f"{name}={json.dumps(value)}")]
    config = ["--config", str(ROOT / "configs" / "gpt.yaml")]
    home = tmp_path / "home"
    made = tool(home, "run", "feature", *config, *given, "--plain", "--json")
    assert made.code == 0, made.err
    done = tool(home, "run", "pretraining", *config, *given, "--json")
    assert done.code == 0, done.err
    report = done.last_line
    assert report["training"]["model"] == "gpt@1"
    assert report["training"]["trained"]["record"]["steps"] == 6
    shown = tool(home, "models", "show", "gpt")
    assert "kind: llm" in shown.out

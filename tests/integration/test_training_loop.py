"""The training loop as a user runs it: one command from questions to a verdict, with a model of very few weights."""

import json
from pathlib import Path

import pytest
from command_lines import tool
from dataset_world import TOPICS, asked, document_of, questions_about
from tiny_bert import tiny_bert

pytestmark = [pytest.mark.training, pytest.mark.slow]


def configuration(folder: Path) -> Path:
    """Write a corpus with questions, an embedder that knows nothing, and the configuration of the loop."""
    texts = folder / "texts"
    texts.mkdir()
    for topic, text in TOPICS.items():
        (texts / f"{topic}.md").write_text(document_of(topic, text))
    questions = asked(folder / "questions.csv", questions_about(tuple(TOPICS)))
    file = folder / "loop.yaml"
    file.write_text(f"""
ingest: {{sources: [{{kind: files, name: texts, root: {texts}}}]}}
embedding: {{model: {tiny_bert(folder / "base")}, registered: topics}}
load: {{collection: topics}}
retrieval: {{mode: dense}}
dataset:
  name: topics
  pairs: [{{kind: questions, file: {questions}}}]
  shares: {{validation: 0.2, test: 0.4}}
  duplicates: {{question_cosine: null, passage_cosine: null}}  # to this embedder all texts are alike
training:
  model: topics
  trainer: {{kind: embedder, base: {folder / "base"}, epochs: 1, batch: 4}}
""")
    return file


def test_the_loop_ends_with_a_verdict_and_can_be_run_again(tmp_path: Path, home: Path) -> None:
    file = configuration(tmp_path)

    first = tool(home, "training_loop", "--config", str(file), "--plain", "--json")

    # So few questions prove nothing, so nothing is promoted, and the command says so by its exit code.
    assert first.code == 1, first.err
    verdict = first.last_line["promotion"]["verdict"]
    assert verdict["model"] == "topics@1"
    assert not first.last_line["promotion"]["promoted"]
    assert {check["name"]: check["passed"] for check in verdict["checks"]}["better"] is False
    card = json.loads((home / "registry" / "topics" / "1" / "card.json").read_text())
    assert card["training"]["steps"] > 0
    assert card["dataset"].startswith("topics@")

    again = tool(home, "training_loop", "--config", str(file), "--plain")

    assert again.code == 1, again.err
    assert "topics@2 is refused" in again.out
    assert "minutes in all" in again.out
    assert len(list((home / "datasets" / "topics").glob("*/card.json"))) == 1


def test_a_pipeline_that_fails_ends_the_loop_with_its_own_message(tmp_path: Path, home: Path) -> None:
    file = configuration(tmp_path)
    (tmp_path / "questions.csv").unlink()

    ended = tool(home, "training_loop", "--config", str(file), "--plain")

    assert ended.code == 2
    assert "questions.csv" in ended.err
    assert "pipeline dataset ended with exit code 2" in ended.err

"""Batch inference as a user starts it: on ZenML and in plain Python, on a real index."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command_lines import config_file, indexed, python, tool
from otlp_receiver import Receiver, attributes

pytestmark = pytest.mark.slow

LOOK = """
import json
from tools.zenml_home import prepare_zenml
prepare_zenml()
from zenml.client import Client
run = Client().list_pipeline_runs(pipeline="batch_inference", sort_by="desc:created", size=1, hydrate=True).items[0]
outputs = {name: step.outputs for name, step in run.steps.items()}
artifacts = {name: versions[0] for step in outputs.values() for name, versions in step.items()}
print(json.dumps({
    "status": str(run.status),
    "steps": {name: str(step.status) for name, step in run.steps.items()},
    "types": {name: one.materializer.import_path for name, one in artifacts.items()},
    "rows": str(artifacts["answers"].run_metadata["rows"]),
    "answers": [row.answer for row in artifacts["answers"].load()],
    "pictures": sorted(name for name, one in artifacts.items() if one.visualizations),
}))
"""


@dataclass
class World:
    home: Path
    config: Path
    folder: Path

    def run(self, *more: str) -> Any:
        return tool(self.home, "run", "batch_inference", "--config", str(self.config), "--json", *more)

    def answers(self) -> list[dict[str, str]]:
        with (self.folder / "questions.answers.csv").open(newline="") as file:
            return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    base = tmp_path_factory.mktemp("batch")
    (base / "documents").mkdir()
    (base / "documents" / "a.md").write_text("# Whales\n\nWhales sing at night. Their songs last for twenty minutes.\n")
    (base / "documents" / "b.md").write_text("# Hills\n\nMountains are made of granite and are very old.\n")
    (base / "questions.csv").write_text("id,question\n1,When do whales sing?\n2,What are mountains made of?\n3,\n")
    more = f"batch: {{input: {base / 'questions.csv'}, id: id}}\n"
    config = config_file(base, f"{{kind: files, name: docs, root: {base / 'documents'}}}", more=more)
    home = base / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLM_ENGINEERING_HOME", str(home))
        indexed(config)
    return World(home, config, base)


def test_a_run_on_zenml_answers_from_the_index_and_keeps_the_answers_as_an_artifact(world: World) -> None:
    ran = world.run()
    assert ran.code == 0, ran.err
    report = ran.last_line
    assert (report["found"], report["rejected"], report["failed"]) == (3, 1, 0)
    assert report["batch"]["output"] == str(world.folder / "questions.answers.csv")
    rows = world.answers()
    assert [row["id"] for row in rows] == ["1", "2", "3"]
    assert "sing at night" in rows[0]["answer"]
    assert json.loads(rows[0]["citations"])[0]["uri"].endswith("a.md")
    assert rows[2]["error_code"] == "question"
    seen = python(world.home, ["-c", LOOK]).last_line
    assert seen["status"] == "completed"
    steps = {"open_run", "plan_questions", "answer_questions", "write_answers", "report", "check"}
    assert set(seen["steps"]) == steps
    assert seen["types"]["answers"].endswith("DatasetMaterializer")
    assert (seen["rows"], seen["answers"][0]) == ("3", rows[0]["answer"])
    assert {"answers", "batch", "report", "questions"} <= set(seen["pictures"])


def test_plain_python_goes_on_where_zenml_was_and_a_dry_run_says_so(world: World) -> None:
    world.run("--plain")
    again = world.run("--plain")
    assert again.code == 0, again.err
    assert (again.last_line["new"], again.last_line["unchanged"]) == (0, 2)
    planned = world.run("--dry-run").last_line
    assert planned["steps"]["plan_questions"].endswith("2 of them answered before")
    fresh = world.run("--plain", "--set", "batch.fresh=true")
    assert fresh.last_line["new"] == 2
    strict = world.run("--plain", "--strict")
    assert strict.code == 1
    assert "row 3 (3): the question is empty" in strict.err


def test_answers_of_the_real_assistant_are_traced_where_a_viewer_is_named(world: World) -> None:
    receiver = Receiver()
    try:
        ran = world.run("--plain", "--set", "batch.fresh=true", "--set", f"tracing.endpoint={receiver.endpoint}")
    finally:
        receiver.close()
    assert ran.code == 0, ran.err
    names = [span.name for span in receiver.spans]
    assert (names.count("answer"), names.count("retrieval"), names.count("quotes")) == (2, 2, 2)
    assert {attributes(span)["llm_engineering.answer_id"] for span in receiver.spans if span.name == "answer"} == {
        row["answer_id"] for row in world.answers()[:2]
    }
    assert "whales" not in repr(receiver.spans).lower()


def test_the_answer_of_a_row_can_be_looked_up_again(world: World) -> None:
    world.run("--plain")
    answer_id = world.answers()[0]["answer_id"]
    replayed = tool(world.home, "replay", answer_id, "--config", str(world.config))
    assert replayed.code == 0, replayed.err


def test_a_spent_budget_leaves_rows_unasked_and_a_raised_one_asks_them(world: World) -> None:
    model = "llms=[{kind: scripted, name: teller, text: 'Whales sing at night [1].', budget: {tokens: %d}}]"
    poor = world.run("--plain", "--set", model % 1)
    assert poor.code == 1, poor.err
    assert poor.last_line["batch"]["unasked"] == 2
    assert [row["error_code"] for row in world.answers()] == ["budget", "budget", "question"]
    rich = world.run("--plain", "--set", model % 100_000)
    assert rich.code == 0, rich.err
    assert (rich.last_line["batch"]["unasked"], rich.last_line["batch"]["output_tokens"] > 0) == (0, True)


def test_a_missing_table_and_a_missing_index_are_said_in_a_sentence(world: World, tmp_path: Path) -> None:
    missing = world.run("--plain", "--set", f"batch.input={tmp_path}/none.csv")
    assert missing.code == 2
    assert "none.csv" in missing.err
    assert "Traceback" not in missing.err
    nothing = tool(tmp_path / "home", "run", "batch_inference", "--config", str(world.config), "--plain", "--json")
    assert nothing.code == 2
    assert "Traceback" not in nothing.err
    assert nothing.last_line["failed"] == 1

"""The evaluation pipeline as a user starts it: in plain Python and on ZenML, on a real index."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile, copytree
from typing import Any

import pytest
from command_lines import config_file, python, tool

from llm_engineering import plain, stages
from llm_engineering.bootstrap import Workspace, open_evaluations
from llm_engineering.config import EvaluationConfig, FeatureConfig, read_config
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.evaluation_results import EvaluationResult

ANIMALS = [
    f"{first}{last}"
    for first in ("sea", "wood", "snow", "rock", "marsh", "cave")
    for last in ("owl", "fox", "eel", "bat", "hen", "ram")
]
PLACES = ("burrow", "nest", "reef", "attic", "meadow", "cliff")

LOOK = """
import json
from tools.zenml_home import prepare_zenml
prepare_zenml()
from zenml.client import Client
run = Client().list_pipeline_runs(pipeline="evaluation", sort_by="desc:created", size=1, hydrate=True).items[0]
result = run.steps["compare_evaluations"].outputs["result"][0]
print(json.dumps({
    "status": str(run.status),
    "steps": sorted(run.steps),
    "pictures": sorted(str(one.type.value) + " " + one.uri.rpartition("/")[2] for one in result.visualizations),
    "step": run.steps["compare_evaluations"].run_metadata["evaluation"]["hit@5"],
    "artifact": result.run_metadata["hit@5"],
    "missed": len(result.load().missed),
    "outcomes": len(run.steps["ask_index"].outputs["outcomes"][0].load()),
}))
"""


@dataclass
class World:
    folder: Path
    config: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def settings(self, *overrides: str) -> EvaluationConfig:
        return read_config(EvaluationConfig, self.config, [f"evaluation.{one}" for one in overrides])

    def run(self, *overrides: str) -> EvaluationResult:
        """Evaluate, and return all that was found, the texts of the questions included."""
        config = self.settings(*overrides).resolved()
        with stages.run_of("evaluation", {}, ()) as run:
            questions = stages.read_questions(config, run)
            before = (
                stages.ask_index(config, questions, run, config.evaluation.before)[0]
                if config.evaluation.before
                else None
            )
            evaluation, _ = stages.ask_index(config, questions, run)
            result = stages.compare_evaluations(config, evaluation, questions, run, before)
            stages.report("evaluation", run, measured=result)
            return result


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return an index of 36 animals with two questions about each, one that is hostile, and one about no document."""
    tmp_path = tmp_path_factory.mktemp("evaluation")
    documents = tmp_path / "documents"
    documents.mkdir()
    for number, animal in enumerate(ANIMALS):
        place = PLACES[number % len(PLACES)]
        (documents / f"{animal}.md").write_text(
            f"# The {animal}\n\nThe {animal} sleeps in a {place}, in room {number}.\n"
        )
    with (tmp_path / "questions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["question", "document"])
        for number, animal in enumerate(ANIMALS):
            writer.writerow([f"Where does the {animal} sleep?", f"{animal}.md"])
            writer.writerow([f"Who lives in room {number} and is called {animal} by everybody around?", f"{animal}.md"])
        writer.writerow(["<script>alert(1)</script> What is never said?", "seaowl.md"])
        writer.writerow(["Where is the unicorn?", "unicorn.md"])
    more = f"evaluation: {{questions: {tmp_path / 'questions.csv'}, resamples: 500}}\n"
    config = config_file(tmp_path, f"{{kind: files, name: animals, root: {documents}}}", more=more)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLM_ENGINEERING_HOME", str(tmp_path / "home"))
        plain.feature(read_config(FeatureConfig, config))
    return World(tmp_path, config)


@pytest.fixture
def world(made: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a copy of the index with questions of its own; the documents lie where they were."""
    copytree(made.home, tmp_path / "home")
    copyfile(made.folder / "questions.csv", tmp_path / "questions.csv")
    config = tmp_path / "config.yaml"
    config.write_text(
        made.config.read_text().replace(str(made.folder / "questions.csv"), str(tmp_path / "questions.csv"))
    )
    monkeypatch.setenv("LLM_ENGINEERING_HOME", str(tmp_path / "home"))
    return World(tmp_path, config)


def test_an_evaluation_has_figures_slices_misses_and_a_report(world: World) -> None:
    result = world.run()
    one = result.evaluation
    assert (one.questions, one.unknown, one.depth) == (74, 1, 10)
    assert one.subject["version"] == "v1"
    figures = {each.slice: each for each in one.slices}
    assert {"all", "source=animals", "length=short", "length=medium"} <= set(figures)
    assert figures["all"].metrics["hit@5"].value == pytest.approx(1 - result.misses / 74, abs=1e-6)
    assert 0.9 < figures["all"].metrics["ndcg@10"].value < 1
    assert one.p95_ms >= one.p50_ms > 0
    assert list(result.curve) == sorted(result.curve)
    assert "Where is the unicorn?" in [missed.question for missed in result.missed]
    assert "hit@5" in str(result)
    page = Path(result.page).read_text()
    assert "Where is the unicorn?" in page


def test_hostile_questions_stay_text_in_the_report(world: World) -> None:
    page = Path(world.run("failures=1000", "compared=[hit@1]").page).read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "default-src &#39;none&#39;" in page
    assert "http://" not in page
    assert "https://" not in page


def test_an_evaluation_again_is_the_same_one_and_is_compared_as_the_same(world: World) -> None:
    first = world.run()
    second = world.run("against=test")
    assert first.evaluation.id == second.evaluation.id
    assert len(open_evaluations(Workspace()).all()) == 1
    assert second.comparison is not None
    assert {(one.p, one.difference.value) for one in second.comparison.comparisons} == {(1.0, 0.0)}


def test_other_retrieval_settings_are_another_evaluation_and_are_compared(world: World) -> None:
    first = world.run("name=words")
    config = world.settings("against=words", "name=meaning")
    config = config.model_copy(update={"retrieval": config.retrieval.model_copy(update={"mode": "dense"})})
    report = plain.evaluation(config)
    assert report.measured is not None
    assert report.measured.comparison is not None
    assert report.measured.before is not None
    assert report.measured.before.id == first.evaluation.id != report.measured.evaluation.id
    assert report.measured.missed == ()  # reports are kept with the run; texts of questions are not
    assert "compared with" in report.summary()


def test_two_versions_of_an_index_are_asked_in_one_run(world: World) -> None:
    config = read_config(FeatureConfig, world.config, ["embedding.dimension=32", "load.keep_versions=2"])
    plain.feature(config)
    result = world.run("before=v1", "index_version=v2")
    assert result.before is not None
    assert (result.before.subject["version"], result.evaluation.subject["version"]) == ("v1", "v2")
    assert result.comparison is not None
    assert {one.slice for one in result.comparison.comparisons} >= {"all", "length=short"}


def test_a_corpus_that_changed_is_another_evaluation(world: World, made: World) -> None:
    first = world.run()
    document = made.folder / "documents" / "seaowl.md"
    before = document.read_text()
    document.write_text("# The seaowl\n\nIt has moved away.\n")
    plain.feature(read_config(FeatureConfig, world.config))
    document.write_text(before)
    second = world.run("against=test")
    assert second.evaluation.subject["version"] == first.evaluation.subject["version"]
    assert second.evaluation.id != first.evaluation.id
    assert second.before is not None
    assert second.before.id == first.evaluation.id


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["questions=null"], "there are no questions to evaluate with"),
        (["questions=null", "dataset=nothing"], "there is no data set 'nothing'"),
        (["index_version=v9"], "no version 'v9'"),
        (["index_version=../../etc"], "no version"),
        (["before=v9"], "no version 'v9'"),
        (["against=nobody"], "there is no evaluation 'nobody'"),
        (["against=../../x"], "there is no evaluation"),
        (["document=answer"], "there is no 'answer'"),
    ],
)
def test_what_is_not_there_is_named(world: World, overrides: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        world.run(*overrides)


def test_questions_of_which_no_document_is_known_are_refused(world: World) -> None:
    path = world.folder / "questions.csv"
    path.write_text("question,document\nWhere?,nowhere.md\n")
    with pytest.raises(UsageError, match="none of the 1 questions names a document"):
        world.run()


def test_an_evaluation_of_other_questions_is_refused_before_anything_is_asked(world: World) -> None:
    world.run("name=first")
    path = world.folder / "questions.csv"
    path.write_text("question,document\nWhere does the seaowl sleep?,seaowl.md\n")
    with pytest.raises(UsageError, match="asked other questions"):
        world.run("against=first")
    assert len(open_evaluations(Workspace()).all()) == 1


def test_evaluations_survive_and_damaged_ones_are_named(world: World) -> None:
    one = world.run().evaluation
    store = open_evaluations(Workspace())
    found, outcomes = store.find(one.id)
    assert found == one
    assert len(outcomes) == 74
    folder = world.home / "evaluations" / one.id
    assert len(list(folder.glob("outcomes-*"))) == 1
    (rows,) = folder.glob("outcomes-*/*.parquet")
    rows.write_bytes(rows.read_bytes()[:-40])
    with pytest.raises(UsageError, match="evaluate again"):
        store.find(one.id)
    (folder / "evaluation.json").write_text("{}")
    with pytest.raises(UsageError, match="is no evaluation"):
        store.find(one.id)
    assert store.all() == []
    assert world.run().evaluation.id == one.id
    assert len(store.find(one.id)[1]) == 74


@pytest.mark.slow
@pytest.mark.timeout(900)  # three command lines, each with ZenML
def test_a_run_on_zenml_keeps_report_and_pictures_as_artifacts(world: World) -> None:
    ran = tool(world.home, "run", "evaluation", "--config", str(world.config), "--json")
    assert ran.code == 0, ran.err
    report: Any = ran.last_line
    assert report["measured"]["evaluation"]["questions"] == 74
    seen = python(world.home, ["-c", LOOK]).last_line
    assert seen["status"] == "completed"
    assert seen["steps"] == ["ask_index", "check", "compare_evaluations", "open_run", "read_questions", "report"]
    assert seen["pictures"] == ["csv missed.csv", "html report.html", "image hits.png", "image metrics.png"]
    assert seen["step"] == seen["artifact"] == pytest.approx(report["measured"]["curve"][4])
    assert (seen["outcomes"], seen["missed"]) == (74, report["measured"]["misses"])
    printed = tool(world.home, "run", "evaluation", "--config", str(world.config), "--set", "evaluation.against=test")
    assert printed.code == 0, printed.err
    assert "same" in printed.out or "unclear" in printed.out
    dry = tool(world.home, "run", "evaluation", "--config", str(world.config), "--dry-run", "--json")
    assert json.loads(dry.out)["steps"]["read_questions"].startswith("74 questions")

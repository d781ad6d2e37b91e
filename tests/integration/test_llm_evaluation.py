"""Language models compared by what they answer: real tiny models, and judges that are scripted (llm_judges.py)."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from instruction_rows import instructions
from llm_judges import fair, first_always
from tiny_llm import tiny_llm
from writing_llm import WritingLlm

from llm_engineering import plain
from llm_engineering.bootstrap import Workspace
from llm_engineering.bootstrap.llm_evaluation import open_llm_evaluations
from llm_engineering.bootstrap.training import open_datasets
from llm_engineering.config import LlmEvaluationConfig, PromotionConfig, TrainingConfig, read_config
from llm_engineering.domain.datasets import DatasetCard
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.instructions import Instruction
from llm_engineering.domain.llm_evaluation import LlmEvaluationResult

SETTINGS = {"batch": 4, "accumulation": 1, "threads": 1, "learning_rate": 2e-2, "device": "cpu", "epochs": 12}
SECTION = {"fewest": 4, "resamples": 500, "max_tokens": 24, "device": "cpu"}


pytestmark = pytest.mark.slow
_FOLDER = TemporaryDirectory()
_BASE = Path(_FOLDER.name) / "base"
_TRAINED = Path(_FOLDER.name) / "registry"


def with_passages(rows: tuple[Instruction, ...]) -> list[Instruction]:
    return [replace(row, passage=f"{row.instruction} {row.answer}") for row in rows]


@pytest.fixture
def base(home: Path) -> Path:
    rows = [
        *instructions("train", 24),
        *instructions("validation", 8, 100),
        *with_passages(instructions("test", 24, 200)),
    ]
    card = DatasetCard(name="instruction", version="", digest="", kind="instruction", licence="ours")
    open_datasets(Workspace()).write(card, rows)
    # In one place for all tests: the card of the trained model, which they share, names it.
    return _BASE if _BASE.exists() else tiny_llm(_BASE)


def trained(base: Path) -> None:
    """Fill the registry of the home with a model that was trained on the data set; only once in this process."""
    home = Workspace().home
    if _TRAINED.exists():
        shutil.copytree(_TRAINED, home / "registry")
        return
    trainer = {"kind": "sft", "base": str(base)} | SETTINGS
    settings = {"training": {"model": "assistant", "dataset": "instruction", "trainer": trainer}}
    plain.training(TrainingConfig.model_validate(settings))
    shutil.copytree(home / "registry", _TRAINED)


def config(*models: object, llms: str = "llms=[]", **section: object) -> LlmEvaluationConfig:
    whole = SECTION | {"dataset": "instruction", "models": [str(one) for one in models]} | section
    return read_config(
        LlmEvaluationConfig, None, ["embedding={kind: hashing}", llms, f"llm_evaluation={json.dumps(whole)}"]
    )


def evaluated(config: LlmEvaluationConfig) -> LlmEvaluationResult:
    found = plain.llm_evaluation(config).llms
    assert found is not None
    return open_llm_evaluations(Workspace()).find(found.id)[0]


def test_a_trained_model_is_shown_to_be_better_than_its_base(base: Path) -> None:
    trained(base)
    result = evaluated(config(base, "registry:assistant"))
    first, second = result.models
    assert (first.model.reference, second.model.reference) == (str(base.resolve()), "registry:assistant@1")
    assert second.model.template
    assert (first.rows, second.rows, result.of) == (24, 24, 24)
    assert second.metrics["loss"].value < first.metrics["loss"].value
    assert second.metrics["perplexity"].value < first.metrics["perplexity"].value
    (pair,) = result.comparisons
    for metric in ("log_likelihood", "chrf"):
        assert pair.of(metric).verdict == "better", pair.of(metric)
    assert {"rouge_l", "chrf", "similarity", "token_match", "grounded", "support"} <= set(second.metrics)
    page = Path(result.page).read_text()
    assert "registry:assistant@1" in page
    assert "default-src &#39;none&#39;" in page
    assert str(result.models[0].model.weights)[:12] in page


def test_a_fair_judge_agrees_with_itself_and_nothing_is_paid_twice(base: Path) -> None:
    trained(base)
    with WritingLlm(fair) as server:
        asked = config(base, "registry:assistant@1", llms=server.section(), judge={"llm": "writer", "rows": 20})
        result = evaluated(asked)
        calls = server.calls
        again = evaluated(asked)
        assert server.calls == calls > 40
    assert result.judge is not None
    assert {one.what: one.trusted for one in result.judge.agreements} == {"judge": True, "preferred": True}
    assert result.judge.input_tokens > 0
    assert again.judge is not None
    assert (again.judge.input_tokens, again.judge.resumed) == (0, result.judge.asked)
    assert again.id == result.id
    assert result.comparisons[0].of("preferred").verdict == "better"


def test_a_judge_that_always_prefers_the_first_is_shown_to_be_biased(base: Path) -> None:
    trained(base)
    with WritingLlm(first_always) as server:
        asked = config(base, "registry:assistant@1", llms=server.section(), judge={"llm": "writer", "rows": 20})
        result = evaluated(asked)
    assert result.judge is not None
    found = next(one for one in result.judge.agreements if one.what == "preferred")
    assert not found.trusted
    assert (found.first, found.share) == (1.0, 0.0)
    assert found.alpha < 0
    assert "prefers the answer that is shown first" in found.reason
    preferred = result.comparisons[0].of("preferred")
    assert preferred.verdict == "unclear"
    assert "not trusted" in preferred.reason
    assert "shown first" in Path(result.page).read_text()


def test_too_few_rows_give_no_verdict(base: Path) -> None:
    trained(base)
    result = evaluated(config(base, "registry:assistant", fewest=30))
    assert {one.verdict for one in result.comparisons[0].comparisons} == {"unclear"}
    assert "not enough rows" in result.comparisons[0].comparisons[0].reason


def test_a_model_behind_an_address_is_compared_too_and_asked_once(base: Path) -> None:
    with WritingLlm(lambda prompt: "It is in the north.") as server:
        asked = config(base, "writer", llms=server.section())
        result = evaluated(asked)
        assert server.calls == 24
        evaluated(asked)
        assert server.calls == 24
    assert "log_likelihood" not in result.models[1].metrics
    assert "chrf" in result.models[1].metrics
    assert result.comparisons[0].of("chrf").verdict == "better"


def test_a_spent_budget_ends_the_judging_and_the_rest_is_kept(base: Path) -> None:
    from llm_engineering.domain.reports import Report

    trained(base)
    with WritingLlm(fair) as server:
        section = server.section(budget={"tokens": 20_000})
        asked = config(base, "registry:assistant@1", llms=section, judge={"llm": "writer", "rows": 20})
        report: Report = plain.llm_evaluation(asked)
    assert report.llms is not None
    assert report.llms.judge is not None
    assert report.llms.judge.unasked > 0
    assert "budget" in report.llms.judge.stopped
    assert 0 < report.llms.judge.asked < 100
    assert report.failed >= report.llms.judge.unasked


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"models": []}, "name the models to compare in llm_evaluation.models"),
        ({"dataset": "nothing"}, "nothing"),
        ({"models": ["registry:nobody"]}, "there is no model 'nobody'"),
        ({"judge": {"llm": "nobody"}}, "llm_evaluation.judge asks for the model 'nobody'"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_asked(
    base: Path, section: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        plain.llm_evaluation(config(*([] if "models" in section else [base]), **section))


def test_a_registered_model_without_the_scheme_is_told_how_to_be_named(base: Path) -> None:
    trained(base)
    with pytest.raises(UsageError, match="name it registry:assistant"):
        plain.llm_evaluation(config(base, "assistant"))


def test_a_judge_that_returns_bad_json_now_and_then_is_asked_again_and_what_fails_is_reported(base: Path) -> None:
    trained(base)
    count = iter(range(10_000))

    def sloppy(prompt: str) -> str:
        if next(count) % 3 == 0:
            return '{"correct": 9, "better": '
        return fair(prompt)

    with WritingLlm(sloppy) as server:
        asked = config(base, "registry:assistant@1", llms=server.section(), judge={"rows": 10, "scores": False})
        report = plain.llm_evaluation(asked)
    assert report.llms is not None
    assert report.llms.judge is not None
    judge = report.llms.judge
    assert judge.asked + judge.failed == 20
    assert judge.failed == report.failed == len(judge.failures)
    assert judge.asked >= 15


def test_answers_that_are_written_together_are_those_that_are_written_alone(base: Path) -> None:
    from llm_engineering.infrastructure.trainers.language.answering import Writing, answer_rows
    from llm_engineering.infrastructure.trainers.language.judging import found_model

    trained(base)
    short = instructions("test", 8, 200)
    rows = [replace(one, instruction=one.instruction * (1 + place)) for place, one in enumerate(short)]
    rows.append(replace(rows[0], id="long", instruction="x" * 600))  # the model reads 512 tokens at once
    rows.append(replace(rows[0], id="control", instruction="Say </s> now."))
    model = found_model("registry:assistant", None, Workspace().home)
    together = answer_rows(model, rows, Writing(16, 8, "cpu"))
    alone = answer_rows(model, rows, Writing(16, 1, "cpu"))
    assert [one.answer for one in together] == [one.answer for one in alone]
    assert [one.finish for one in together[-2:]] == ["too_long", "too_long"]
    assert together[0].tokens > 0
    assert together[0].log_likelihood == pytest.approx(alone[0].log_likelihood, abs=1e-3)


def test_a_report_takes_every_text_for_text(base: Path) -> None:
    with WritingLlm(lambda prompt: "<script>alert(1)</script><img src=http://evil.test/x>") as server:
        result = evaluated(config("writer", llms=server.section()))
    page = Path(result.page).read_text()
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_same_model_under_two_names_is_refused(base: Path) -> None:
    trained(base)
    with pytest.raises(UsageError, match="are the same model, registry:assistant@1"):
        plain.llm_evaluation(config("registry:assistant", "registry:assistant@1"))


def promotion(**content: object) -> PromotionConfig:
    return PromotionConfig.model_validate(
        {
            "promotion": {"model": "assistant", "content": content},
            "evaluation": {"fewest": 4, "resamples": 500},
            "embedding": {"kind": "hashing"},
        }
    )


def test_the_gate_asks_for_answers_and_takes_only_an_evaluation_of_these_models(base: Path) -> None:
    trained(base)
    missing = plain.promotion(promotion(better=["chrf"])).promotion
    assert missing is not None
    assert not missing.promoted
    assert "run-llm-evaluation-pipeline --set llm_evaluation.dataset=instruction@" in str(missing)
    kept = evaluated(config(base, "registry:assistant"))
    preferred = plain.promotion(promotion(better=["preferred"])).promotion
    assert preferred is not None
    assert "answers were not compared on preferred" in str(preferred) or "none of the measures" in str(preferred)
    done = plain.promotion(promotion(better=["chrf"], not_worse=["similarity"])).promotion
    assert done is not None
    assert done.promoted, str(done)
    assert done.verdict is not None
    check = next(one for one in done.verdict.checks if one.name == "content")
    assert check.passed
    assert f"evaluation {kept.id}" in check.detail


def test_the_gate_refuses_scores_that_were_changed_and_a_judge_that_is_biased(base: Path) -> None:
    trained(base)
    with WritingLlm(first_always) as server:
        kept = evaluated(config(base, "registry:assistant", llms=server.section(), judge={"rows": 20}))
    biased = plain.promotion(promotion(better=["preferred"])).promotion
    assert biased is not None
    assert not biased.promoted
    assert "the judge is not trusted" in str(biased)
    folder = open_llm_evaluations(Workspace()).folder / kept.id
    for file in folder.glob("scores-*/*.parquet"):
        file.write_bytes(file.read_bytes()[:-1] + b"x")
    changed = plain.promotion(promotion(better=["chrf"])).promotion
    assert changed is not None
    assert not changed.promoted


def test_forgetting_a_document_removes_the_evaluations_that_asked_about_it(base: Path) -> None:
    from llm_engineering.domain.erasure import Target
    from llm_engineering.domain.traces import Traces
    from llm_engineering.infrastructure.traces.llm_evaluations import LlmEvaluations

    kept = evaluated(config(base, max_tokens=4))
    place = LlmEvaluations(Workspace().home)
    target = Target(kind="uri", name="https://docs.test/x")
    traces = Traces(target=target, document_ids=frozenset({"test-document-3"}))
    assert list(place.find(traces).items) == [kept.id]
    assert not place.find(Traces(target=target, document_ids=frozenset({"another"}))).items
    place.remove(frozenset({kept.id}), traces)
    assert not Path(kept.page).exists()


@pytest.mark.training
def test_the_task_compares_models_in_zenml_with_a_picture_and_a_report(base: Path) -> None:
    from command_lines import tool

    trained(base)
    models = json.dumps([str(base), "registry:assistant"])
    section = ["--set", "embedding={kind: hashing}", "--set", f"llm_evaluation={json.dumps(SECTION)}"]
    section += ["--set", "llm_evaluation.dataset=instruction", "--set", f"llm_evaluation.models={models}"]
    told = tool(Workspace().home, "run", "llm-evaluation", *section, "--dry-run")
    assert "registry:assistant@1; greedily" in told.out, told.err
    done = tool(Workspace().home, "run", "llm-evaluation", *section, "--json")
    assert done.code == 0, done.err
    llms = done.last_line["llms"]
    assert [one["model"]["reference"] for one in llms["models"]] == [str(base.resolve()), "registry:assistant@1"]
    assert llms["shown"] == []
    assert list(Workspace().home.rglob("measures.png"))
    assert list(Workspace().home.rglob("comparisons.csv"))


def test_a_dry_run_says_what_a_judge_would_be_asked_and_asks_nothing(base: Path) -> None:
    from tools.dry_run import describe

    with WritingLlm(fair) as server:
        asked = config("owner/some-model", "writer", llms=server.section(), judge={"rows": 10})
        text = describe("llm_evaluation", asked, as_json=False)  # nothing is fetched
        assert server.calls == 0
    # 10 rows, 2 models, graded twice; 10 pairs in both orders.
    assert "at most 60 requests" in text
    assert "US dollars" in text

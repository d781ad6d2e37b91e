"""Candidates that must not be promoted: each is refused, with the reason."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from evaluated import evaluated
from safetensors.numpy import save_file

from llm_engineering import stages
from llm_engineering.application.evaluation import compare, measure
from llm_engineering.application.evaluation.settings import EvaluationSettings
from llm_engineering.bootstrap import Workspace, open_datasets, open_registry
from llm_engineering.config import ProjectConfig, PromotionConfig
from llm_engineering.domain.datasets import DatasetCard, RetrievalPair
from llm_engineering.domain.errors import GateFailed, UsageError
from llm_engineering.domain.evaluation import Estimate, SliceFigures
from llm_engineering.domain.indexes import IndexManifest, ModelCard, Plan
from llm_engineering.domain.models import CurvePoint, RegisteredModel, TrainingRecord
from llm_engineering.domain.promotions import GeneralFigures, PromotionEvidence, PromotionVerdict

NAN, INFINITY = float("nan"), float("inf")
METRICS = EvaluationSettings(slices=("length",), resamples=500)


def row(number: int, split: str, **facts: object) -> RetrievalPair:
    known = RetrievalPair(
        id=f"r{number}", question=f"question {number}", document_id=f"d{number}", chunk_id=f"c{number}",
        passage=f"passage {number}", documents=(f"d{number}",), negatives=(), negative_ids=(), origin="question",
        source="faq", filter="", cluster=f"k{number}", split=split,
    )  # fmt: skip
    return replace(known, **facts)


ROWS = [row(number, "test" if number % 2 else "train") for number in range(160)]


@dataclass
class Bench:
    """A candidate that passes, to be spoilt in one way."""

    folder: Path

    def __post_init__(self) -> None:
        self.registry, self.datasets = open_registry(Workspace()), open_datasets(Workspace())
        self.folder.mkdir(parents=True, exist_ok=True)
        save_file({"a": np.ones((2, 2), "float32")}, self.folder / "model.safetensors")
        self.dataset = self.write(ROWS)
        self.facts: dict[str, object] = {
            "name": "retriever", "number": 0, "kind": "embedder", "base": "base", "licence": "MIT",
            "dataset": self.dataset.reference, "dataset_digest": self.dataset.digest, "settings": {"epochs": 1},
            "training": TrainingRecord(steps=5, curve=(CurvePoint(step=5, epoch=1, loss=0.1),)),
            "metrics": {"validation/ndcg@10": Estimate(value=0.8, low=0.7, high=0.9, n=9)},
        }  # fmt: skip
        self.before, self.after = [2] * 80, [1] * 80
        self.general = ([0.7] * 50, [0.69] * 50)
        self.slices: dict[int, str] = {}
        self.evidence: Callable[[PromotionEvidence], PromotionEvidence] = lambda found: found
        self.weights = ""
        self.spoil: Callable[[RegisteredModel], object] = lambda _: None
        self.promotion: dict[str, object] = {}

    def write(self, rows: list[RetrievalPair], licence: str = "MIT") -> DatasetCard:
        return self.datasets.write(DatasetCard(name="pairs", version="", digest="", licence=licence), rows)

    def refer(self, card: DatasetCard) -> None:
        self.facts |= {"dataset": card.reference, "dataset_digest": card.digest}

    def judged(self) -> list[str]:
        """Register, look at it, measure, judge; return the reasons to refuse it."""
        model = self.registry.register(RegisteredModel.model_validate(self.facts), self.folder)
        self.spoil(model)
        config = ProjectConfig.model_validate(
            {"promotion": {"model": "retriever@1", **self.promotion}, "embedding": {"registered": "retriever"}}
        ).of(PromotionConfig)
        card = ModelCard(name="registry:retriever@1", digest=model.weights, dimension=2, max_tokens=9)
        plan = Plan(run=0, collection="x", manifest=IndexManifest(version="v2", fingerprint="f2", model=card))
        with pytest.raises(GateFailed, match="What was in production stays") as refused:
            self.promoted(config, plan)
        assert self.registry.verdicts("retriever"), "the verdict is kept"
        verdict = refused.value.verdict
        assert isinstance(verdict, PromotionVerdict)
        return list(verdict.reasons)

    def promoted(self, config: PromotionConfig, plan: Plan) -> None:
        with stages.run_of("promotion", {}, []) as run:
            model = stages.find_candidate(config, run)
            found = self.evidence(self.measured(model))
            verdict = stages.judge_candidate(config, model, found, plan, run)
            stages.check_promotion(stages.promote(config, model, verdict, plan, run))

    def measured(self, model: RegisteredModel) -> PromotionEvidence:
        sides = []
        for name, ranks in (("before", self.before), ("after", self.after)):
            one, outcomes = evaluated(ranks, id=name)
            outcomes = [replace(found, slices=(self.slices.get(at, ""),)) for at, found in enumerate(outcomes)]
            subject = {"fingerprint": "f2", "model": self.weights or model.weights}
            update = {
                "questions_from": f"{model.dataset}/test",
                "subject": subject,
                "slices": measure(outcomes, METRICS),
            }
            sides.append((one.model_copy(update=update), outcomes))
        comparison = compare(sides[0], sides[1], METRICS)
        general = GeneralFigures(digest="g", before=tuple(self.general[0]), after=tuple(self.general[1]))
        return PromotionEvidence(before=sides[0][0], after=sides[1][0], comparison=comparison, general=general)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "model")


def missing(**facts: object) -> Callable[[Bench], object]:
    return lambda bench: bench.facts.update(facts)


def leaked(**facts: object) -> Callable[[Bench], object]:
    """Let a row to learn from have something of the held-out row 1."""
    return lambda bench: bench.refer(bench.write([*ROWS, row(1000, "train", **facts)]))


def tampered(bench: Bench) -> None:
    def change(model: RegisteredModel) -> None:
        path = bench.registry.root / "retriever" / "1" / "weights" / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-1] + b"\x40")

    bench.spoil = change


def removed(bench: Bench) -> None:
    bench.spoil = lambda _: (bench.registry.root / "retriever" / "1" / "weights" / "model.safetensors").unlink()


def joined_by_code(bench: Bench) -> None:
    bench.spoil = lambda _: (bench.registry.root / "retriever" / "1" / "weights" / "modeling.py").write_text("evil()")


def dataset_changed(bench: Bench) -> None:
    def change(_: RegisteredModel) -> None:
        folder = bench.datasets.folder / "pairs" / bench.dataset.version
        other = bench.write([row(number, "test") for number in range(10)])
        for path in folder.glob("*.parquet"):
            path.unlink()
        for path in (bench.datasets.folder / "pairs" / other.version).glob("*.parquet"):
            (folder / path.name).write_bytes(path.read_bytes())

    bench.spoil = change


def dataset_gone(bench: Bench) -> None:
    bench.facts["dataset"] = "pairs@000000000000"


def judged_by_another_dataset(bench: Bench) -> None:
    """Learn from a held-out question, and name a data set to be judged by in which it is held out."""
    bench.promotion = {"dataset": bench.dataset.reference}
    bench.refer(bench.write([row(1000, "train", question="question 1"), row(1001, "test")]))


def learnt_by_the_base(bench: Bench) -> None:
    """Begin with a model that began with one that has learnt from the documents of all held-out rows."""
    other = bench.write([replace(one, split="train", id=f"other {one.id}") for one in ROWS])
    folder, began = bench.folder.parent / "base", {"dataset": other.reference, "dataset_digest": other.digest}
    folder.mkdir()
    for name in ("grandparent", "parent"):
        save_file({"a": np.full((2, 2), len(name), "float32")}, folder / "model.safetensors")
        made = bench.registry.register(RegisteredModel.model_validate(bench.facts | began | {"name": name}), folder)
        began = {"base": "registry:grandparent", "base_digest": made.weights}
    bench.facts |= {"base": "registry:parent", "base_digest": made.weights}


def base_learnt_from_what_is_gone(bench: Bench) -> None:
    learnt_by_the_base(bench)
    bench.spoil = lambda _: bench.datasets.remove(bench.datasets.find(bench.registry.find("grandparent").dataset))


def worse(bench: Bench) -> None:
    bench.before, bench.after = bench.after, bench.before


def a_little_better(bench: Bench) -> None:
    bench.after = [1, 1, *[2] * 78]


def the_same(bench: Bench) -> None:
    bench.after = bench.before


def few_questions(bench: Bench) -> None:
    bench.before, bench.after = [2] * 12, [1] * 12


def worse_on_a_slice(bench: Bench) -> None:
    bench.slices = {at: "length=long" if at < 40 else "length=short" for at in range(120)}
    bench.before, bench.after = [1] * 40 + [0] * 80, [3] * 40 + [1] * 80


def forgetful(bench: Bench) -> None:
    bench.general = ([0.7] * 50, [0.67] * 50)


def general_is_nan(bench: Bench) -> None:
    bench.general = ([0.7] * 50, [NAN] * 50)


def evidence(**update: object) -> Callable[[Bench], None]:
    def spoil(bench: Bench) -> None:
        bench.evidence = lambda found: found.model_copy(update=update)

    return spoil


def after(**update: object) -> Callable[[Bench], None]:
    def spoil(bench: Bench) -> None:
        bench.evidence = lambda found: found.model_copy(
            update={"after": found.after and found.after.model_copy(update=update)}
        )

    return spoil


def other_weights(bench: Bench) -> None:
    bench.weights = "0" * 64


NAN_FIGURES = (SliceFigures(slice="all", questions=80, metrics={"ndcg@10": Estimate(value=NAN, low=0, high=1, n=80)}),)
UPSIDE_DOWN = {"x": Estimate(value=0.5, low=0.9, high=0.1, n=3)}

BAD: dict[str, tuple[Callable[[Bench], object], str]] = {
    "tampered weights": (tampered, "model.safetensors of model retriever@1 was changed"),
    "missing weights": (removed, "is missing"),
    "a Python file beside the weights": (joined_by_code, "modeling.py of model retriever@1 is foreign"),
    "no settings": (missing(settings={}), "no settings"),
    "no training record": (missing(training=None), "no record of a training"),
    "no base": (missing(base=""), "what the model was made from"),
    "no data set": (missing(dataset="", dataset_digest=""), "names no data set"),
    "no digest of the data set": (missing(dataset_digest=""), "names no data set with its digest"),
    "no metrics": (missing(metrics={}), "no metrics"),
    "no licence": (missing(licence=""), "nothing of a licence"),
    "an interval upside down": (missing(metrics=UPSIDE_DOWN), "metric x of the card is no figure"),
    "wrong data hash": (missing(dataset_digest="0" * 64), "not the one that the model learnt from"),
    "data set gone": (dataset_gone, "there is no data set 'pairs@000000000000'"),
    "data set changed": (dataset_changed, "pairs@"),
    "leaked question": (leaked(question="  QUESTION 1 "), "have the question of held-out rows: r1000"),
    "leaked document": (leaked(documents=("d1000", "d1")), "have the document of held-out rows: r1000"),
    "leaked passage": (leaked(passage="Passage  1"), "have the passage of held-out rows: r1000"),
    "leaked near-duplicate": (leaked(cluster="k1"), "have the cluster of held-out rows: r1000"),
    "leaked by its own data set": (judged_by_another_dataset, "have the question of held-out rows: r1000"),
    "leaked to its base": (learnt_by_the_base, "80 rows to learn from have the document of held-out rows"),
    "its base's data set is gone": (base_learnt_from_what_is_gone, "grandparent@1 learnt from data set pairs@"),
    "no held-out rows": (lambda b: b.refer(b.write([row(1, "train")])), "no held-out rows"),
    "worse": (worse, "not shown to be better, but worse"),
    "the same": (the_same, "not shown to be better"),
    "better by chance": (a_little_better, "not shown to be better"),
    "too few questions": (few_questions, "not enough questions"),
    "worse on a slice": (worse_on_a_slice, "it is worse on length=long"),
    "forgetful": (forgetful, "it forgets: nDCG@10 of 50 general questions 0.700 → 0.670"),
    "general figure is NaN": (general_is_nan, "nDCG@10 of the general questions is no number"),
    "no general figure": (evidence(general=None), "the general questions were not asked"),
    "missing evaluation": (evidence(after=None), "there is no evaluation"),
    "missing comparison": (evidence(comparison=None), "there is no evaluation"),
    "evaluation on other questions": (after(questions_from="pairs@x/train"), "not the held-out questions"),
    "other questions than before": (after(questions_digest="other"), "asked different questions"),
    "a comparison of others": (after(id="elsewhere"), "the comparison is of other evaluations"),
    "NaN in the evaluation": (after(slices=NAN_FIGURES), "after: ndcg@10 is no figure"),
    "evaluation of other weights": (other_weights, "the evaluation is of another model"),
}


def test_a_good_candidate_is_not_refused_by_its_verdict(bench: Bench) -> None:
    bench.registry.register(RegisteredModel.model_validate(bench.facts), bench.folder)
    model = bench.registry.find("retriever@1")
    found = bench.measured(model)
    card = ModelCard(name="registry:retriever@1", digest=model.weights, dimension=2, max_tokens=9)
    plan = Plan(run=0, collection="x", manifest=IndexManifest(version="v2", fingerprint="f2", model=card))
    config = ProjectConfig.model_validate({"promotion": {"model": "retriever@1"}}).of(PromotionConfig)
    with stages.run_of("promotion", {}, []) as run:
        verdict = stages.judge_candidate(config, model, found, plan, run)
        stages.report("promotion", run)
    assert verdict.reasons == ()
    kept = bench.registry.find("retriever@1")
    assert kept.evaluations == ("after",)
    assert kept.metrics["test/ndcg@10"].value == 1.0
    assert json.loads(bench.registry.verdicts("retriever")[0].read_text())["passed"] is True


def test_whether_it_can_be_compared_is_asked_before_its_index_is_built(bench: Bench) -> None:
    bench.registry.register(RegisteredModel.model_validate(bench.facts), bench.folder)
    config = ProjectConfig.model_validate(
        {"promotion": {"model": "retriever"}, "embedding": {"registered": "retriever"}}
    ).of(PromotionConfig)
    with stages.run_of("promotion", {}, []) as run:
        stages.find_candidate(config, run)
        with pytest.raises(UsageError, match="no active index to compare with; run the feature pipeline first"):
            stages.plan_index(config, run)
        stages.report("promotion", run)


@pytest.mark.parametrize("case", BAD)
def test_a_bad_candidate_is_refused_with_the_reason(bench: Bench, case: str) -> None:
    spoil, reason = BAD[case]
    spoil(bench)

    reasons = bench.judged()

    assert any(reason in one for one in reasons), reasons
    assert bench.registry.stage_of("retriever", stages.PRODUCTION) == 0


@pytest.mark.parametrize("value", [NAN, INFINITY])
def test_losses_and_weights_that_are_no_numbers_never_come_into_the_registry(bench: Bench, value: float) -> None:
    bench.facts["training"] = TrainingRecord(steps=5, curve=(CurvePoint(step=5, epoch=1, loss=value),))
    with pytest.raises(UsageError, match="loss at step 5"):
        bench.judged()
    bench.facts["training"] = TrainingRecord(steps=5)
    save_file({"a": np.full((2, 2), value, "float32")}, bench.folder / "model.safetensors")
    with pytest.raises(UsageError, match="not finite"):
        bench.judged()
    assert bench.registry.names() == []

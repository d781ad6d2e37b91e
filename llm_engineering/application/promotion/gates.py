"""What a candidate has to prove. Every check is made, so that one verdict names all that is wrong."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite

from llm_engineering.application.promotion.leaks import leaks
from llm_engineering.application.promotion.settings import PromotionSettings
from llm_engineering.domain.datasets import DatasetCard, DatasetRow
from llm_engineering.domain.evaluation import Estimate, Evaluation
from llm_engineering.domain.models import RegisteredModel
from llm_engineering.domain.promotions import Check, PromotionEvidence, PromotionVerdict

ROUNDING = 1e-9
# What can be said of a candidate before it is evaluated.
BEFOREHAND = ("files", "card", "data set", "leak")
# Settings of the search have no weights.
WITH_WEIGHTS = ("embedder", "reranker", "llm")


@dataclass(frozen=True)
class Case:
    """Everything that a verdict rests on.

    `dataset` is the card as the store has it, `rows` are all its rows. `problems` say what could not be opened: files
    that were changed, a data set that is gone. `against` names what the candidate was compared with, `subject` what
    its evaluation must have asked. A pretrained model has no data set, but `corpus`: the documents that it learnt from,
    of which some were held out. `learnt` are rows of other data sets that the candidate or its bases learnt from.
    """

    candidate: RegisteredModel
    against: str
    dataset: DatasetCard | None
    rows: Sequence[DatasetRow]
    evidence: PromotionEvidence
    problems: Sequence[str] = ()
    subject: dict[str, str] = field(default_factory=dict)
    corpus: str = ""
    learnt: Sequence[DatasetRow] = ()


def judge(case: Case, settings: PromotionSettings, only: Collection[str] = ()) -> PromotionVerdict:
    """Return the verdict on a candidate; `only` some checks are made before anything expensive is begun."""
    wanted = {name: check for name, check in _CHECKS.items() if not only or name in only}
    checks = tuple(_checked(name, check(case, settings)) for name, check in wanted.items())
    return PromotionVerdict(
        model=case.candidate.reference,
        against=case.against,
        metric=settings.metric,
        passed=all(check.passed for check in checks),
        checks=checks,
        evidence=case.evidence,
        weights=case.candidate.weights,
    )


@dataclass(frozen=True)
class _Finding:
    problems: Sequence[str]
    good: str


def _checked(name: str, found: _Finding) -> Check:
    return Check(name=name, passed=not found.problems, detail="; ".join(found.problems) or found.good)


def _files(case: Case, settings: PromotionSettings) -> _Finding:  # noqa: ARG001 - one signature
    model = case.candidate
    problems = [*case.problems, *case.evidence.problems]
    if model.kind in WITH_WEIGHTS and not (model.weights and model.files):
        problems.append("the card names no digests of weights")
    return _Finding(problems, f"{len(model.files)} files as registered, weights {model.weights[:12] or 'none'}")


def _card(case: Case, settings: PromotionSettings) -> _Finding:  # noqa: ARG001 - one signature
    return _Finding(list(_missing(case.candidate, case.dataset)), "complete")


def _missing(model: RegisteredModel, dataset: DatasetCard | None) -> Iterator[str]:
    imported = "imported" in model.settings
    if not model.settings:
        yield "the card has no settings"
    if not imported:
        if model.training is None:
            yield "the card has no record of a training"
        if not model.base and model.kind in WITH_WEIGHTS and not model.is_pretrained:
            yield "the card does not say what the model was made from"
        if not model.dataset or not model.dataset_digest:
            yield "the card names no data set with its digest"
        if not model.metrics:
            yield "the card has no metrics"
    if dataset is not None and dataset.licence and not model.licence:
        yield f"the data set is under {dataset.licence!r}, and the card says nothing of a licence"
    yield from (f"metric {name} of the card is no figure: {one}" for name, one in model.metrics.items() if _odd(one))
    if model.training is not None:
        losses = [point.loss for point in model.training.curve]
        if losses and not any(loss is not None and isfinite(loss) for loss in losses):
            yield "the training recorded no loss that is a number"
        elif any(loss is not None and not isfinite(loss) for loss in losses):
            yield "the training has a loss that is no number"


def _odd(one: Estimate) -> bool:
    finite = all(map(isfinite, (one.value, one.low, one.high)))
    return not finite or not one.low - ROUNDING <= one.value <= one.high + ROUNDING


def _dataset(case: Case, settings: PromotionSettings) -> _Finding:  # noqa: ARG001 - one signature
    model, card = case.candidate, case.dataset
    if model.is_pretrained:
        told = f"documents of {case.corpus} that were held out, digest {model.dataset_digest[:12]}"
        return _Finding(
            [] if case.corpus else [f"there are no held-out documents of {model.dataset} to judge by"], told
        )
    if card is None:
        return _Finding(["there is no data set to judge with; name one in promotion.dataset"], "")
    same = not model.dataset or model.dataset != card.reference or model.dataset_digest == card.digest
    if not same:
        wrong = f"the card says {model.dataset_digest[:12] or 'nothing'}, the store {card.digest[:12]}"
        return _Finding([f"data set {card.reference} is not the one that the model learnt from: {wrong}"], "")
    return _Finding((), f"{card.reference}, digest {card.digest[:12]}")


def _leak(case: Case, settings: PromotionSettings) -> _Finding:  # noqa: ARG001 - one signature
    if case.corpus:
        return _Finding((), "documents are held out whole, with whatever nearly repeats them")
    held = sum(row.split == "test" for row in case.rows)
    rows = [*case.rows, *case.learnt]
    found = leaks(rows)
    if case.dataset is not None and not case.rows:
        return _Finding(["its rows could not be looked at"], "")
    if case.dataset is not None and not held:
        return _Finding(["the data set has no held-out rows, so nothing can be judged by it"], "")
    return _Finding(found, f"none of {len(rows) - held} rows to learn from is among {held} held-out rows")


def _evaluated(case: Case, settings: PromotionSettings) -> _Finding:  # noqa: ARG001 - one signature
    before, after, card = case.evidence.before, case.evidence.after, case.dataset
    if before is None or after is None or case.evidence.comparison is None:
        return _Finding(["there is no evaluation of the candidate and of what is in production"], "")
    problems = []
    wanted = f"{card.reference}/test" if card else f"{case.corpus}/validation"
    if (card or case.corpus) and after.questions_from != wanted:
        problems.append(f"its evaluation asked {after.questions_from}, not the held-out questions of {wanted}")
    if before.questions_digest != after.questions_digest:
        problems.append("both were asked different questions")
    if (case.evidence.comparison.before, case.evidence.comparison.after) != (before.id, after.id):
        problems.append("the comparison is of other evaluations")
    if wrong := [name for name, value in case.subject.items() if after.subject.get(name) != value]:
        problems.append(f"the evaluation is of another {', '.join(wrong)} than the candidate's")
    problems += [f"{one.id}: {name} is no figure" for one in (before, after) for name in _not_finite(one)]
    return _Finding(problems, f"{after.questions} questions, {after.id} against {before.id}")


def _not_finite(evaluation: Evaluation) -> list[str]:
    return [name for part in evaluation.slices for name, figure in part.metrics.items() if _odd(figure)]


def _better(case: Case, settings: PromotionSettings) -> _Finding:
    comparison = case.evidence.comparison
    found = [one for one in comparison.comparisons if one.metric == settings.metric] if comparison else []
    whole = next((one for one in found if one.slice == "all"), None)
    if whole is None:
        return _Finding([f"{settings.metric} was not compared"], "")
    numbers = (
        f"{settings.metric} {whole.before:.3f} → {whole.after:.3f}, difference {whole.difference}, "
        f"p = {whole.adjusted:.4f}, {whole.questions} questions"
    )
    if whole.verdict != "better" or not whole.difference.value > 0:
        return _Finding([f"it is not shown to be better, but {whole.verdict}: {numbers}. {whole.reason}".strip()], "")
    return _Finding((), numbers)


def _slices(case: Case, settings: PromotionSettings) -> _Finding:  # noqa: ARG001 - one signature
    comparison = case.evidence.comparison
    compared = comparison.comparisons if comparison else ()
    worse = [one for one in compared if one.verdict == "worse"]
    problems = [
        f"it is worse on {one.slice}: {one.metric} {one.before:.3f} → {one.after:.3f}, p = {one.adjusted:.4f}"
        for one in worse
    ]
    slices = len({one.slice for one in compared})
    return _Finding(problems if compared else ["no slice was compared"], f"worse on none of {slices} slices")


def _general(case: Case, settings: PromotionSettings) -> _Finding:
    if settings.max_general_loss is None:
        return _Finding((), "not asked (promotion.max_general_loss is null)")
    if case.candidate.kind == "retrieval":
        return _Finding((), "not asked: settings of a search cannot forget")
    if case.candidate.kind == "llm":
        return _Finding((), "not asked: a language model does not find passages")
    found = case.evidence.general
    if found is None or not found.before or len(found.before) != len(found.after):
        return _Finding(["the general questions were not asked"], "")
    before, after = _mean(found.before), _mean(found.after)
    if not (isfinite(before) and isfinite(after)):
        return _Finding(["nDCG@10 of the general questions is no number"], "")
    numbers = f"nDCG@10 of {len(found.after)} general questions {before:.3f} → {after:.3f}"
    if before - after > settings.max_general_loss + ROUNDING:
        allowed = f"promotion.max_general_loss allows {settings.max_general_loss:g}"
        return _Finding([f"it forgets: {numbers}, a loss of {before - after:.3f}; {allowed}"], "")
    return _Finding((), numbers)


def _content(case: Case, settings: PromotionSettings) -> _Finding:
    gate, found = settings.content, case.evidence.content
    if gate is None:
        return _Finding((), "not asked (promotion.content is null)")
    if case.candidate.kind != "llm":
        return _Finding((), f"not asked: a model of kind {case.candidate.kind} writes no answers")
    if found is None or found.problem or found.comparison is None:
        return _Finding([(found and found.problem) or "there is no evaluation of what it answers"], "")
    compared = {one.metric: one for one in found.comparison.comparisons}
    problems = [f"its answers were not compared on {name}" for name in gate.metrics if name not in compared]
    problems += [
        f"its answers are not shown to be better on {one.metric}, but {one.verdict}: {one.before:.3f} → "
        f"{one.after:.3f}, difference {one.difference}. {one.reason}"
        for name in gate.better
        if (one := compared.get(name)) and (one.verdict != "better" or not one.difference.value > 0)
    ]
    problems += [
        f"its answers are worse on {one.metric}: {one.before:.3f} → {one.after:.3f}, p = {one.adjusted:.4f}"
        for name in gate.not_worse
        if (one := compared.get(name)) and one.verdict == "worse"
    ]
    figures = ", ".join(f"{one.metric} {one.before:.3f} → {one.after:.3f} ({one.verdict})" for one in compared.values())
    return _Finding(problems, f"evaluation {found.evaluation} on {found.dataset}: {figures}")


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


_CHECKS: dict[str, Callable[[Case, PromotionSettings], _Finding]] = {
    "files": _files,
    "card": _card,
    "data set": _dataset,
    "leak": _leak,
    "evaluation": _evaluated,
    "better": _better,
    "slices": _slices,
    "general": _general,
    "content": _content,
}

"""Compare two evaluations of the same questions: is one better, worse, the same, or are there too few questions?

    compare(before: tuple[Evaluation, Sequence[QuestionOutcome]], after: ..., settings: EvaluationSettings, decisive="")
        -> EvaluationComparison
    questions_needed(deviation, gain, settings, comparisons=1) -> int
    deviation_of(before, after, metric) -> float

The test is a paired randomisation test, two-sided: if nothing changed, it is chance which of the two answers of a
question came from which evaluation, so the signs of the differences may be flipped. The signs of all questions that
share documents are flipped together, because such questions are not independent (see `intervals`). All comparisons of
a call are one family: their p values are corrected with Holm's method, so that the chance to call anything better or
worse is at most 1 - confidence where nothing changed.

Smucker, Allan and Carterette, "A comparison of statistical significance tests for information retrieval evaluation",
2007; Holm, "A simple sequentially rejective multiple test procedure", 1979.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from llm_engineering.application.evaluation.intervals import (
    Floats,
    blocks,
    by_cluster,
    clusters_of,
    mean_intervals,
    unseen,
)
from llm_engineering.application.evaluation.measures import values_of
from llm_engineering.application.evaluation.settings import EvaluationSettings, depth_of
from llm_engineering.application.evaluation.slices import ALL_QUESTIONS, members_of
from llm_engineering.application.evaluation.verdicts import judged
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.evaluation import Comparison, Evaluation, EvaluationComparison, QuestionOutcome

Evaluated = tuple[Evaluation, Sequence[QuestionOutcome]]
# A plan rests on a deviation that was itself estimated, so it asks for more questions than the formula.
RESERVE = 1.1
# Sums of the same numbers in another order may differ in the last places.
ROUNDING = 1e-9
# The least p value is 1 / (signs + 1); this many times finer than what the first step of Holm's method asks for.
FINER = 10


def compare(
    before: Evaluated, after: Evaluated, settings: EvaluationSettings, decisive: str = ""
) -> EvaluationComparison:
    """Return `after` minus `before` for each metric of `settings.compared`, on all questions and on each slice.

    Slices with fewer than `settings.fewest` clusters of questions are reported as unclear; they are no part of the
    family, whatever they show, so they cost the others nothing. Nor is the comparison of the metric `decisive` on all
    questions, the one that something hangs on and that was named before anything was asked: it stands by itself, and
    its p value needs no correction (the primary endpoint of a trial).

    Raises:
        UsageError: other questions were asked, there are none, or too few documents were looked at for a metric.
    """
    old, new = _paired(before, after, settings)
    names = settings.compared
    first, second = values_of(old, names), values_of(new, names)
    clusters = _clusters(old, new)
    slices = members_of(new, settings.slices)
    members = list(slices.values())
    sums, sizes = by_cluster(second - first, clusters, members)
    there = (sizes > 0).sum(axis=0)  # (slices,): clusters that a slice has
    enough = there >= settings.fewest
    together = np.repeat(enough[:, None], len(names), axis=1)  # (slices, metrics)
    alone = np.zeros_like(together)
    alone[list(slices).index(ALL_QUESTIONS)] = [title == decisive for title in names]
    together &= ~alone
    family = max(1, int(together.sum()))
    p = randomised(sums, family, settings)
    adjusted = np.where(alone, p, 1.0)
    adjusted[together] = holm(p[together])
    estimates = mean_intervals(second - first, clusters, members, settings.interval(-1.0, 1.0))
    spread = deviations(sums, sizes)
    rows = []
    for column, (name, positions) in enumerate(slices.items()):
        for metric, title in enumerate(names):
            n, deviation = len(positions), float(spread[column, metric])
            beside = 1 if alone[column, metric] else family
            least = detectable(deviation, n, int(there[column]), beside, settings)
            facts = Comparison(
                metric=title, slice=name, questions=n,
                before=round(float(first[positions, metric].mean()), 9),
                after=round(float(second[positions, metric].mean()), 9),
                difference=estimates[column][metric],
                p=float(p[column, metric]), adjusted=float(adjusted[column, metric]),
                detectable=round(least, 9), verdict="unclear",
                needed=questions_needed(deviation, settings.matters, settings, beside),
            )  # fmt: skip
            rows.append(judged(facts, int(there[column]), settings))
    return EvaluationComparison(before=before[0].id, after=after[0].id, comparisons=tuple(rows))


def compare_values(
    before: tuple[Evaluation, Floats],
    after: tuple[Evaluation, Floats],
    clusters: Sequence[str],
    metric: str,
    settings: EvaluationSettings,
) -> EvaluationComparison:
    """Return `after` minus `before` of a metric that was counted elsewhere, by the same test.

    Args:
        before: An evaluation, and the value of each of its n rows (n), of which more is better.
        after: Another one of the same rows in the same order.
        clusters: What rows (n) have in common; those of a cluster are not independent.
        metric: Name of what was counted.
        settings: Confidence, power, and what difference matters.

    Raises:
        UsageError: there are no rows, or others were counted.
    """
    (old, first), (new, second) = before, after
    if not len(second) or old.questions_digest != new.questions_digest:
        raise UsageError(f"evaluations {old.id} and {new.id} are of different rows, or of none; evaluate both again")
    difference: Floats = (second - first)[:, None]
    numbers = clusters_of([(name,) for name in clusters])
    every = [np.arange(len(second), dtype=np.intp)]
    sums, sizes = by_cluster(difference, numbers, every)
    p = float(randomised(sums, 1, settings)[0, 0])
    least, largest = min(-1.0, float(difference.min())), max(1.0, float(difference.max()))
    ((estimate,),) = mean_intervals(difference, numbers, every, settings.interval(least, largest))
    deviation, there = float(deviations(sums, sizes)[0, 0]), int((sizes > 0).sum())
    facts = Comparison(
        metric=metric, slice=ALL_QUESTIONS, questions=len(second),
        before=round(float(first.mean()), 9), after=round(float(second.mean()), 9), difference=estimate,
        p=p, adjusted=p, detectable=round(detectable(deviation, len(second), there, 1, settings), 9),
        verdict="unclear", needed=questions_needed(deviation, settings.matters, settings),
    )  # fmt: skip
    return EvaluationComparison(before=old.id, after=new.id, comparisons=(judged(facts, there, settings),))


def holm(p: Floats) -> Floats:
    """Return p values corrected for all of them, by Holm's method.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    steps = p[order] * (len(p) - np.arange(len(p)))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(p) else steps
    return corrected


def questions_needed(deviation: float, gain: float, settings: EvaluationSettings, comparisons: int = 1) -> int:
    """Return how many questions show a true gain with the power of the settings, as one of several comparisons.

    Args:
        deviation: Of the paired differences, per question; `deviation_of` estimates it from two evaluations, with what
            questions about the same documents have in common in it.
        gain: The true difference that is to be shown.
        settings: Confidence and power.
        comparisons: How many are made together; the plan is for the strictest step of the correction.
    """
    if gain <= 0:
        raise UsageError(f"a gain of {gain:g} cannot be planned for; give the least gain that matters, above 0")
    if deviation < ROUNDING:  # no difference was seen; see `detectable`
        return max(settings.fewest, math.ceil(math.log((1 - settings.confidence) / 2) / math.log1p(-min(gain, 0.999))))
    return max(settings.fewest, math.ceil(RESERVE * (_quantiles(settings, comparisons) * deviation / gain) ** 2))


def deviation_of(before: Sequence[QuestionOutcome], after: Sequence[QuestionOutcome], metric: str) -> float:
    """Return the deviation of a metric's paired differences, such that the mean's error is deviation / √questions."""
    difference = values_of(after, [metric]) - values_of(before, [metric])
    everything = np.arange(len(after), dtype=np.intp)
    sums, sizes = by_cluster(difference, _clusters(before, after), [everything])
    return float(deviations(sums, sizes)[0, 0])


def _paired(
    before: Evaluated, after: Evaluated, settings: EvaluationSettings
) -> tuple[list[QuestionOutcome], list[QuestionOutcome]]:
    """Return the outcomes of the same questions in the same order."""
    (old, old_outcomes), (new, new_outcomes) = before, after
    known = {outcome.id: outcome for outcome in old_outcomes}
    same = set(known) == {outcome.id for outcome in new_outcomes} and len(old_outcomes) == len(new_outcomes)
    if old.questions_digest != new.questions_digest or not same:
        raise UsageError(
            f"evaluations {old.id} ({old.questions} questions from {old.questions_from}) and {new.id} ({new.questions} "
            f"from {new.questions_from}) asked different questions, so their figures cannot be compared; evaluate "
            "again with the same questions"
        )
    if not new_outcomes:
        raise UsageError(f"evaluation {new.id} has no questions; there is nothing to compare")
    if (depth := depth_of(settings.compared)) > min(old.depth, new.depth):
        raise UsageError(
            f"evaluations {old.id} and {new.id} looked at {old.depth} and {new.depth} documents; "
            f"evaluation.compared ({', '.join(settings.compared)}) needs {depth}: evaluate again with it"
        )
    return [known[outcome.id] for outcome in new_outcomes], list(new_outcomes)


def _clusters(before: Sequence[QuestionOutcome], after: Sequence[QuestionOutcome]) -> npt.NDArray[np.intp]:
    pairs = zip(before, after, strict=True)
    return clusters_of([tuple(dict.fromkeys([*old.relevant, *new.relevant])) for old, new in pairs])


def randomised(sums: Floats, family: int, settings: EvaluationSettings) -> Floats:
    """Return the p value (slices, metrics) of sums of differences (clusters, slices, metrics)."""
    count, slices, metrics = sums.shape
    flat = sums.reshape(count, slices * metrics)
    seen = np.abs(flat.sum(axis=0)) - ROUNDING
    rounds = max(settings.resamples, math.ceil(FINER * family / (1 - settings.confidence)))
    generator, extreme = np.random.default_rng(settings.seed), np.zeros(slices * metrics)
    for size in blocks(count, rounds):
        signs = 2.0 * generator.integers(0, 2, size=(size, count), dtype=np.int8) - 1.0
        extreme += (np.abs(signs @ flat) >= seen).sum(axis=0)
    p: Floats = ((extreme + 1) / (rounds + 1)).reshape(slices, metrics)
    return p


def deviations(sums: Floats, sizes: Floats) -> Floats:
    """Return the deviation (slices, metrics) per question: √questions times the error of the mean over clusters."""
    totals, there = sizes.sum(axis=0), (sizes > 0).sum(axis=0)
    means = sums.sum(axis=0) / totals[:, None]
    squares = ((sums - sizes[:, :, None] * means) ** 2).sum(axis=0)
    found: Floats = np.sqrt(squares / totals[:, None] * (there / np.maximum(there - 1, 1))[:, None])
    return found


def detectable(deviation: float, questions: int, clusters: int, family: int, settings: EvaluationSettings) -> float:
    """Return the least true difference that is shown with the power of the settings.

    Where all differences are the same, as between two evaluations of one index, it is the share of clusters that may
    differ although none of them was seen to.
    """
    if deviation < ROUNDING:
        return unseen(clusters, settings.confidence)
    return _quantiles(settings, family) * deviation / math.sqrt(questions)


def _quantiles(settings: EvaluationSettings, comparisons: int) -> float:
    """Return how many errors of the mean a true difference has to be, to be shown with the power of the settings."""
    normal = NormalDist()
    return normal.inv_cdf(1 - (1 - settings.confidence) / 2 / comparisons) + normal.inv_cdf(settings.power)

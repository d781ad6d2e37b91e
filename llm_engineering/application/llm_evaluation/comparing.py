"""Scores of answers into figures of models, and into comparisons of each two of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from llm_engineering.application.evaluation.intervals import Floats, by_cluster, clusters_of, mean_intervals
from llm_engineering.application.evaluation.paired import (
    detectable,
    deviations,
    holm,
    questions_needed,
    randomised,
)
from llm_engineering.application.evaluation.settings import EvaluationSettings
from llm_engineering.application.evaluation.slices import ALL_QUESTIONS
from llm_engineering.application.evaluation.verdicts import judged
from llm_engineering.domain.evaluation import Comparison, Estimate, EvaluationComparison
from llm_engineering.domain.llm_evaluation import ContentScore

# Model → metric → row → value.
Table = Mapping[str, Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True)
class _Column:
    """Two models on one metric: the values of the rows that have one of both, (n) each."""

    before: str
    after: str
    metric: str
    first: Floats
    second: Floats
    clusters: tuple[str, ...]
    distrust: str = ""


def figures(
    scores: Sequence[ContentScore], metrics: Sequence[str], settings: EvaluationSettings
) -> dict[str, Estimate]:
    """Return the mean of each metric of one model, with its interval over clusters of rows."""
    found = {}
    for metric in metrics:
        own = [one for one in scores if one.metric == metric and not one.other]
        if own:
            values = np.array([[one.value] for one in own])
            numbers = clusters_of([(one.cluster,) for one in own])
            least, largest = min(0.0, float(values.min())), max(1.0, float(values.max()))
            every = [np.arange(len(own), dtype=np.intp)]
            found[metric] = mean_intervals(values, numbers, every, settings.interval(least, largest))[0][0]
    return found


def compare_scores(
    scores: Sequence[ContentScore],
    models: Sequence[str],
    metrics: Sequence[str],
    settings: EvaluationSettings,
    distrust: Mapping[str, str] | None = None,
) -> tuple[EvaluationComparison, ...]:
    """Compare each model with each one before it on each metric that both have, row by row.

    All comparisons are one family, corrected by Holm's method. Those with fewer than `settings.fewest` clusters, and
    those of a metric in `distrust` (with the reason), are no part of it: their verdict is unclear whatever they show.
    """
    pairs = list(combinations(models, 2))
    columns = [column for pair in pairs for column in _columns(scores, pair, metrics, distrust or {})]
    sums = [_summed(column) for column in columns]
    there = [int((sizes > 0).sum()) for _, sizes in sums]
    counts = [there[n] >= settings.fewest and not column.distrust for n, column in enumerate(columns)]
    family = max(1, sum(counts))
    p = np.array([float(randomised(one, family, settings)[0, 0]) for one, _ in sums])
    adjusted = np.ones_like(p)
    adjusted[counts] = holm(p[counts])
    rows = [
        _compared(column, sums[n], there[n], float(p[n]), float(adjusted[n]), family, settings)
        for n, column in enumerate(columns)
    ]
    return tuple(
        EvaluationComparison(before=before, after=after, comparisons=tuple(of))
        for before, after in pairs
        if (of := [row for row, one in zip(rows, columns, strict=True) if (one.before, one.after) == (before, after)])
    )


def _columns(
    scores: Sequence[ContentScore], pair: tuple[str, str], metrics: Sequence[str], distrust: Mapping[str, str]
) -> Iterator[_Column]:
    before, after = pair
    for metric in metrics:
        if metric == "preferred":
            own = [one for one in scores if (one.metric, one.model, one.other) == (metric, after, before)]
            found = [(one.cluster, (1 - one.value) / 2, (1 + one.value) / 2) for one in own]
        else:
            old = {one.id: one.value for one in scores if (one.metric, one.model) == (metric, before)}
            new = [one for one in scores if (one.metric, one.model) == (metric, after) and one.id in old]
            found = [(one.cluster, old[one.id], one.value) for one in new]
        if found:
            clusters, first, second = zip(*found, strict=True)
            yield _Column(before, after, metric, np.array(first), np.array(second), clusters, distrust.get(metric, ""))


def _summed(column: _Column) -> tuple[Floats, Floats]:
    numbers = clusters_of([(name,) for name in column.clusters])
    every = [np.arange(len(column.clusters), dtype=np.intp)]
    return by_cluster((column.second - column.first)[:, None], numbers, every)


def _compared(
    column: _Column,
    summed: tuple[Floats, Floats],
    there: int,
    p: float,
    adjusted: float,
    family: int,
    settings: EvaluationSettings,
) -> Comparison:
    difference, count = (column.second - column.first)[:, None], len(column.second)
    numbers, every = clusters_of([(name,) for name in column.clusters]), [np.arange(count, dtype=np.intp)]
    bounds = settings.interval(min(-1.0, float(difference.min())), max(1.0, float(difference.max())))
    ((estimate,),) = mean_intervals(difference, numbers, every, bounds)
    deviation = float(deviations(*summed)[0, 0])
    facts = Comparison(
        metric=column.metric, slice=ALL_QUESTIONS, questions=count,
        before=round(float(column.first.mean()), 9), after=round(float(column.second.mean()), 9), difference=estimate,
        p=p, adjusted=adjusted, detectable=round(detectable(deviation, count, there, family, settings), 9),
        verdict="unclear", needed=questions_needed(deviation, settings.matters, settings, family),
    )  # fmt: skip
    if column.distrust:
        return facts.model_copy(update={"reason": f"the judge is not trusted: {column.distrust}"})
    told = judged(facts, there, settings)
    return told.model_copy(update={"reason": _in_words_of_rows(told.reason)})


def _in_words_of_rows(reason: str) -> str:
    """Return a reason in the words of this section, where questions are rows, and documents clusters."""
    return (
        reason.replace("evaluation.fewest", "fewest")
        .replace("groups of documents", "clusters")
        .replace("groups", "clusters")
        .replace("questions", "rows")
    )

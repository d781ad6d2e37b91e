"""Retrieval measures of questions whose answering documents are known: hit, MRR, nDCG, recall and MAP at k.

Relevance is binary, and passages of one document count once. The definitions are those of TREC's tools (Success, RR,
nDCG, R and AP with a cutoff): the ideal ranking of nDCG and the divisor of recall and MAP know all relevant documents,
also where there are more of them than k.

    measure(outcomes, settings) -> tuple[SliceFigures, ...]
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from llm_engineering.application.evaluation.intervals import clusters_of, mean_intervals
from llm_engineering.application.evaluation.settings import EvaluationSettings, split_name
from llm_engineering.application.evaluation.slices import ALL_QUESTIONS, members_of
from llm_engineering.domain.evaluation import QuestionOutcome, SliceFigures

Floats = npt.NDArray[np.float64]


def measure(outcomes: Sequence[QuestionOutcome], settings: EvaluationSettings) -> tuple[SliceFigures, ...]:
    """Return the figures of all questions and of each slice, with intervals. The first one is slice 'all'."""
    if not outcomes:
        return (SliceFigures(slice=ALL_QUESTIONS, questions=0, metrics={}),)
    names = settings.metric_names
    values, clusters = values_of(outcomes, names), clusters_of([outcome.relevant for outcome in outcomes])
    slices = members_of(outcomes, settings.slices)
    estimates = mean_intervals(values, clusters, list(slices.values()), settings.interval(0.0, 1.0))
    return tuple(
        SliceFigures(slice=name, questions=len(members), metrics=dict(zip(names, row, strict=True)))
        for (name, members), row in zip(slices.items(), estimates, strict=True)
    )


def values_of(outcomes: Sequence[QuestionOutcome], names: Sequence[str]) -> Floats:
    """Return what each question scores (questions, metrics), for metrics such as 'ndcg@10'."""
    wanted = [split_name(name) for name in names]
    depth = max(k for _, k in wanted)
    # (questions, depth): whether a relevant document stands at a rank
    found = np.zeros((len(outcomes), depth), dtype=np.float64)
    for row, outcome in enumerate(outcomes):
        relevant = frozenset(outcome.relevant)
        for rank, document in enumerate(dict.fromkeys(outcome.found)):
            if rank == depth:
                break
            found[row, rank] = document in relevant
    known = np.array([len(frozenset(outcome.relevant)) for outcome in outcomes], dtype=np.float64)
    return np.stack([MEASURES[metric](found[:, :k], known) for metric, k in wanted], axis=1)


def hit(found: Floats, known: Floats) -> Floats:  # noqa: ARG001 - all measures are called alike
    """Return 1 for each question with a relevant document."""
    best: Floats = found.max(axis=1)
    return best


def mrr(found: Floats, known: Floats) -> Floats:  # noqa: ARG001 - all measures are called alike
    """Return 1/rank of the first relevant document of each question, or 0."""
    best: Floats = (found / _ranks(found)).max(axis=1)
    return best


def ndcg(found: Floats, known: Floats) -> Floats:
    """Return the discounted gain, 1/log2(rank + 1), as a share of that of the ideal ranking."""
    discounts = 1 / np.log2(_ranks(found) + 1)
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])[np.minimum(known, found.shape[1]).astype(int)]
    return _share(found @ discounts, ideal)


def recall(found: Floats, known: Floats) -> Floats:
    """Return the share of the relevant documents that was found."""
    return _share(found.sum(axis=1), known)


def average_precision(found: Floats, known: Floats) -> Floats:
    """Return the precision at each relevant document that was found, summed, as a share of all relevant ones."""
    return _share((found * np.cumsum(found, axis=1) / _ranks(found)).sum(axis=1), known)


MEASURES = {"hit": hit, "mrr": mrr, "ndcg": ndcg, "recall": recall, "map": average_precision}


def _ranks(found: Floats) -> Floats:
    return np.arange(1, found.shape[1] + 1, dtype=np.float64)


def _share(part: Floats, whole: Floats) -> Floats:
    """Return part / whole, and 0 where a question has no relevant document at all: it counts as missed."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)

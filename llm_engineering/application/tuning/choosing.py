"""The choice: the winner of the search, if the validation split shows that it is better than what is in use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from llm_engineering.application.evaluation.measures import mrr, ndcg
from llm_engineering.application.tuning.halving import Integers, successive_halving
from llm_engineering.application.tuning.rankings import RankedQuestions
from llm_engineering.application.tuning.space import Setting
from llm_engineering.domain.errors import UsageError

Floats = npt.NDArray[np.float64]
TunedMetric = Literal["mrr", "ndcg"]
MEASURES = {"mrr": mrr, "ndcg": ndcg}
ROUNDS = 10_000
ROUNDING = 1e-9
# With fewer clusters of questions no difference is called shown, whatever it is.
FEWEST = 20


@dataclass(frozen=True)
class Choice:
    """What was chosen, and why. Figures are those of the validation split; `before` is of the default.

    `p` is of a paired randomisation test, one of the winner alone against the default, in which the questions about
    the same documents count as one.
    """

    chosen: Setting
    winner: Setting
    tried: int
    train_before: float
    train_after: float
    before: float
    after: float
    p: float
    clusters: int
    reason: str

    @property
    def changed(self) -> bool:
        """Whether something else than the default was chosen."""
        return self.reason == ""


def choose(
    settings: Sequence[Setting],
    train: Mapping[int, RankedQuestions],
    validation: Mapping[int, RankedQuestions],
    clusters: Sequence[str],
    metric: TunedMetric,
    k: int,
    seed: int,
    confidence: float,
) -> Choice:
    """Search on the training questions, compare the winner with the default on the validation questions.

    The winner was chosen by the first, so only the second can show that it is better than the default; a tie or a
    difference that chance explains leaves the default.

    Args:
        settings: What is tried, the default first.
        train: The questions to search with, by size of the chunks.
        validation: The questions to compare with, by size of the chunks; the same questions in the same order.
        clusters: The cluster of each validation question.
        metric: What is counted, over the first k documents.
        k: How many documents are looked at.
        seed: Of the search and the test.
        confidence: How sure a gain has to be.

    Raises:
        UsageError: there are no questions to search with or to compare with.
    """
    default = settings[0]
    count = len(train[default.chunk_tokens])
    if not count or not clusters:
        raise UsageError(
            f"tuning needs questions of both splits, train and validation, and the data set has {count} and "
            f"{len(clusters)}; make a larger one"
        )

    taken: dict[tuple[int, int], RankedQuestions] = {}

    def score(setting: Setting, rows: Integers) -> Floats:
        # All settings of a rung ask the same questions, so these are taken out once.
        key = (setting.chunk_tokens, len(rows))
        if key not in taken:
            taken[key] = train[setting.chunk_tokens].take(rows)
        return scores_of(taken[key], setting, metric, k)

    last = successive_halving(settings, score, count, seed)
    winner, best = last[0]
    means = dict(last)
    old = scores_of(validation[default.chunk_tokens], default, metric, k)
    new = scores_of(validation[winner.chunk_tokens], winner, metric, k)
    p, independent = sign_test(new - old, clusters, seed)
    reason = _reason(winner == default, float((new - old).mean()), p, independent, confidence)
    return Choice(
        winner if not reason else default, winner, len(settings), means[default], best,
        float(old.mean()), float(new.mean()), p, independent, reason,
    )  # fmt: skip


def scores_of(questions: RankedQuestions, setting: Setting, metric: TunedMetric, k: int) -> Floats:
    """Return what a setting scores on each question."""
    return MEASURES[metric](questions.found(setting.fusion, setting.pool, k), questions.known)


def sign_test(difference: Floats, clusters: Sequence[str], seed: int) -> tuple[float, int]:
    """Return the two-sided p value of a mean difference, and the number of clusters.

    The signs of a cluster's differences are flipped together.
    """
    numbers = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)[1]
    sums = np.bincount(numbers, weights=difference)
    seen = abs(float(sums.sum())) - ROUNDING
    generator, extreme = np.random.default_rng(seed), 0
    for _ in range(10):
        signs = 2.0 * generator.integers(0, 2, size=(ROUNDS // 10, len(sums)), dtype=np.int8) - 1.0
        extreme += int((np.abs(signs @ sums) >= seen).sum())
    return (extreme + 1) / (ROUNDS + 1), len(sums)


def _reason(same: bool, gain: float, p: float, clusters: int, confidence: float) -> str:
    """Return why the default stays; empty if it does not."""
    if same:
        return "the default is the best of all that were tried"
    if clusters < FEWEST:
        return f"the validation split has questions about {clusters} clusters of documents; {FEWEST} are needed"
    if gain <= ROUNDING:
        return f"the best of the training questions gains {gain:+.4f} on the validation questions"
    if p > 1 - confidence:
        return f"its gain of {gain:+.4f} on the validation questions may be chance (p = {p:.3f})"
    return ""

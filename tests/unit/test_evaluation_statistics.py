"""The statistics of evaluations are proved by simulation: coverage, false alarms, power."""

import time

import numpy as np
import pytest
from evaluated import evaluated, ranks_of

from llm_engineering.application.evaluation import compare, deviation_of, measure, questions_needed
from llm_engineering.application.evaluation.intervals import Interval, clusters_of, mean_intervals
from llm_engineering.application.evaluation.settings import EvaluationSettings
from llm_engineering.domain.errors import UsageError

QUICK = EvaluationSettings(resamples=500)


def coverage(questions_each: int, documents: int, by_document: bool, seeds: int = 400) -> float:
    """Return how often a 95 % interval holds the true mean of questions that succeed or fail with their document."""
    held, truth = 0, 0.75
    for seed in range(seeds):
        generator = np.random.default_rng(seed)
        # Beta(1.5, 0.5) has the mean 0.75: documents are mostly found, or mostly not.
        chances = np.repeat(generator.beta(1.5, 0.5, size=documents), questions_each)
        values = (generator.random(len(chances)) < chances).astype(float)[:, None]
        numbers = np.repeat(np.arange(documents), questions_each) if by_document else np.arange(len(chances))
        everything = [np.arange(len(chances))]
        ((estimate,),) = mean_intervals(values, numbers, everything, Interval(0.95, 500, seed, 0.0, 1.0))
        held += estimate.low <= truth <= estimate.high
    return held / seeds


def test_intervals_hold_the_true_figure_as_often_as_they_say() -> None:
    assert 0.92 <= coverage(1, 200, by_document=True) <= 0.98


def test_questions_about_one_document_are_resampled_together_because_apart_they_would_be_too_sure() -> None:
    together, apart = coverage(5, 60, by_document=True), coverage(5, 60, by_document=False)
    assert together >= 0.90
    assert apart <= 0.85


@pytest.mark.slow
def test_two_equal_searches_are_called_different_in_at_most_5_percent_of_1000_seeds() -> None:
    alarms = better = 0
    for seed in range(1_000):
        generator = np.random.default_rng(seed)
        before = evaluated(ranks_of(generator, 250, 0.7), "before")
        after = evaluated(ranks_of(generator, 250, 0.7), "after")
        verdicts = {one.verdict for one in compare(before, after, QUICK.model_copy(update={"seed": seed})).comparisons}
        alarms += bool(verdicts & {"better", "worse"})
        better += "better" in verdicts
    assert alarms / 1_000 <= 0.05
    assert better / 1_000 <= 0.05


def two_searches(generator: np.random.Generator, questions: int, gain: float) -> tuple[np.ndarray, np.ndarray]:
    """Return ranks of two searches of which the second has a true gain of so much nDCG on average.

    The second draws a fifth of the questions anew; then so many of its misses become hits at rank 1 that its mean
    rises by the gain.
    """
    before, drawn = ranks_of(generator, questions, 0.7), ranks_of(generator, questions, 0.7)
    after = np.where(generator.random(questions) < 0.2, drawn, before)
    missed = 0.3 * 0.25
    return before, np.where((after == 0) & (generator.random(questions) < gain / missed), 1, after)


@pytest.mark.slow
def test_a_true_gain_of_003_is_found_at_the_planned_number_of_questions() -> None:
    settings = EvaluationSettings(compared=("ndcg@10",), resamples=1_000)
    pilot = two_searches(np.random.default_rng(99), 20_000, 0.03)
    before, after = evaluated(pilot[0]), evaluated(pilot[1])
    planned = questions_needed(deviation_of(before[1], after[1], "ndcg@10"), 0.03, settings)
    found = 0
    for seed in range(300):
        ranks = two_searches(np.random.default_rng(seed), planned, 0.03)
        found += compare(evaluated(ranks[0]), evaluated(ranks[1]), settings).of("ndcg@10").verdict == "better"
    assert found / 300 >= 0.80


def test_the_plan_grows_with_the_deviation_the_power_and_the_number_of_comparisons() -> None:
    plan = questions_needed(0.2, 0.03, QUICK)
    assert plan == 384  # 1.1 * ((1.96 + 0.8416) * 0.2 / 0.03)²
    assert questions_needed(0.4, 0.03, QUICK) > 3.9 * plan
    assert questions_needed(0.2, 0.03, QUICK, comparisons=10) > plan
    assert questions_needed(0.2, 0.03, QUICK.model_copy(update={"power": 0.9})) > plan
    assert questions_needed(0.0, 0.03, QUICK) == 122  # so many without a difference leave less than 0.03 open
    with pytest.raises(UsageError, match="above 0"):
        questions_needed(0.2, 0.0, QUICK)


def test_the_same_seed_gives_the_same_figures_and_another_seed_nearly_the_same() -> None:
    generator = np.random.default_rng(0)
    before, after = evaluated(ranks_of(generator, 200, 0.6), "a"), evaluated(ranks_of(generator, 200, 0.8), "b")
    first, again = compare(before, after, QUICK), compare(before, after, QUICK)
    other = compare(before, after, QUICK.model_copy(update={"seed": 7}))
    assert first == again
    assert first != other
    assert [one.verdict for one in first.comparisons] == [one.verdict for one in other.comparisons]


def test_a_hit_rate_of_one_is_no_certainty() -> None:
    _, outcomes = evaluated([1] * 100)
    hit = measure(outcomes, QUICK)[0].metrics["hit@5"]
    assert hit.value == 1.0
    assert hit.high == 1.0
    assert hit.low == pytest.approx(0.025 ** (1 / 100))


def test_clusters_join_questions_that_share_documents_also_through_others() -> None:
    numbers = clusters_of([("a",), ("b",), ("a", "c"), ("c", "d"), (), ()])
    assert numbers.tolist() == [0, 1, 0, 0, 2, 3]


def test_a_thousand_comparisons_with_slices_stay_within_memory_and_time() -> None:
    generator = np.random.default_rng(0)
    _, outcomes = evaluated(ranks_of(generator, 20_000, 0.7))
    started = time.perf_counter()
    assert measure(outcomes, EvaluationSettings())[0].questions == 20_000
    assert time.perf_counter() - started < 60

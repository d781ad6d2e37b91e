"""Verdicts of comparisons: better, worse, same, and when there are not enough questions to say."""

from dataclasses import replace

import numpy as np
import pytest
from evaluated import evaluated, evaluation, outcome, ranks_of

from llm_engineering.application.evaluation import compare
from llm_engineering.application.evaluation.paired import holm
from llm_engineering.application.evaluation.settings import EvaluationSettings
from llm_engineering.domain.errors import UsageError

SETTINGS = EvaluationSettings(resamples=1_000)


def test_a_clear_gain_is_better_and_the_other_way_round_worse() -> None:
    before, after = evaluated([0] * 40 + [1] * 160, "before"), evaluated([1] * 200, "after")
    better, worse = compare(before, after, SETTINGS).of("hit@5"), compare(after, before, SETTINGS).of("hit@5")
    assert (better.verdict, worse.verdict) == ("better", "worse")
    assert better.difference.value == pytest.approx(0.2)
    assert worse.difference.value == pytest.approx(-0.2)
    assert better.difference.low > 0
    assert "after correction" in better.reason


def test_the_comparison_that_decides_stands_by_itself_and_the_others_are_corrected_without_it() -> None:
    generator = np.random.default_rng(1)
    before, after = (
        evaluated(ranks_of(generator, 200, 0.68), "before"),
        evaluated(ranks_of(generator, 200, 0.74), "after"),
    )
    together = compare(before, after, SETTINGS)
    decided = compare(before, after, SETTINGS, decisive="ndcg@10")
    one = decided.of("ndcg@10")
    assert one.p == one.adjusted < together.of("ndcg@10").adjusted
    assert one.detectable < together.of("ndcg@10").detectable
    assert one.needed < together.of("ndcg@10").needed
    assert decided.of("hit@5").adjusted <= together.of("hit@5").adjusted
    others = [one for one in decided.comparisons if one.metric != "ndcg@10"]
    assert sum(one.adjusted for one in others) > sum(one.p for one in others)


def test_the_same_answers_are_the_same_if_there_are_questions_enough() -> None:
    ranks = ranks_of(np.random.default_rng(0), 300, 0.7)
    one = compare(evaluated(ranks), evaluated(ranks, "e2"), SETTINGS).of("ndcg@10")
    assert (one.verdict, one.p, one.adjusted) == ("same", 1.0, 1.0)
    assert 0 < one.detectable < 0.03


def test_ten_questions_are_not_enough_whatever_they_show() -> None:
    one = compare(evaluated([0] * 10), evaluated([1] * 10, "e2"), SETTINGS).of("hit@5")
    assert one.verdict == "unclear"
    assert "not enough questions" in one.reason


def test_many_questions_about_few_documents_are_not_enough() -> None:
    named = [f"d{number % 5}" for number in range(200)]
    one = compare(evaluated([0] * 200, "a", named), evaluated([1] * 200, "b", named), SETTINGS).of("hit@5")
    assert one.verdict == "unclear"
    assert "5 groups" in one.reason


def test_a_difference_that_noise_may_explain_is_unclear_and_says_how_many_questions_it_takes() -> None:
    generator = np.random.default_rng(3)
    before, after = evaluated(ranks_of(generator, 60, 0.7), "a"), evaluated(ranks_of(generator, 60, 0.7), "b")
    one = compare(before, after, SETTINGS).of("ndcg@10")
    assert one.verdict == "unclear"
    assert one.detectable > 0.03
    assert one.needed > 60
    assert f"{one.needed} questions" in one.reason


def test_questions_about_one_document_flip_together() -> None:
    """40 documents with five questions each: 8 documents gained is no proof, 40 of 200 single questions would be."""
    named = [f"d{number // 5}" for number in range(200)]
    old, new = [1] * 20 + [0] * 180, [0] * 20 + [1] * 40 + [0] * 140
    together = compare(evaluated(old, "a", named), evaluated(new, "b", named), SETTINGS).of("hit@5")
    apart = compare(evaluated(old, "a"), evaluated(new, "b"), SETTINGS).of("hit@5")
    assert together.p > 0.05 > apart.p
    assert together.difference.high - together.difference.low > apart.difference.high - apart.difference.low


def test_slices_are_compared_and_small_ones_cost_the_others_nothing() -> None:
    def outcomes(rank: int) -> list:
        large = [outcome(number, rank, slices=("source=faq",)) for number in range(100)]
        return large + [outcome(number, rank, slices=("source=web",)) for number in range(100, 110)]

    before, after = (evaluation(outcomes(0)), outcomes(0)), (evaluation(outcomes(2), "e2"), outcomes(2))
    found = compare(before, after, SETTINGS)
    assert found.of("hit@5", "source=faq").verdict == "better"
    assert found.of("hit@5", "source=web").verdict == "unclear"
    assert found.of("hit@5").adjusted == pytest.approx(6 / 1_201)  # 3 metrics on 2 slices; 200 signs for each, at least
    alone = compare(before, after, SETTINGS.model_copy(update={"slices": ()}))
    assert {one.slice for one in alone.comparisons} == {"all"}


def test_p_values_can_be_small_enough_for_a_large_family() -> None:
    def outcomes(rank: int) -> list:
        return [outcome(number, rank, slices=(f"filter:c={number % 40}",)) for number in range(40 * 40)]

    first, second = outcomes(0), outcomes(1)
    found = compare((evaluation(first), first), (evaluation(second, "b"), second), SETTINGS)
    assert {one.verdict for one in found.comparisons} == {"better"}


def test_the_order_of_the_questions_is_of_no_account() -> None:
    generator = np.random.default_rng(4)
    old, new = evaluated(ranks_of(generator, 100, 0.6), "a"), evaluated(ranks_of(generator, 100, 0.8), "b")
    turned = compare((old[0], old[1][::-1]), new, SETTINGS)
    assert turned == compare(old, new, SETTINGS)


def test_evaluations_of_other_questions_are_refused() -> None:
    first, second = evaluated([1] * 50), evaluated([1] * 50, "e2")
    other = second[0].model_copy(update={"questions_digest": "other"})
    with pytest.raises(UsageError, match="different questions"):
        compare(first, (other, second[1]), SETTINGS)
    with pytest.raises(UsageError, match="different questions"):
        compare(first, (second[0], second[1][:-1]), SETTINGS)
    with pytest.raises(UsageError, match="different questions"):
        compare(first, (second[0], [replace(one, id=f"x{one.id}") for one in second[1]]), SETTINGS)


def test_evaluations_that_did_not_look_deep_enough_are_refused() -> None:
    first, second = evaluated([1] * 50), evaluated([1] * 50, "e2")
    with pytest.raises(UsageError, match="needs 20"):
        compare(first, second, SETTINGS.model_copy(update={"compared": ("ndcg@20",)}))


def test_nothing_is_not_compared() -> None:
    with pytest.raises(UsageError, match="no questions"):
        compare((evaluation([]), []), (evaluation([], "e2"), []), SETTINGS)


def test_holm_corrects_the_smallest_p_most_and_keeps_the_order() -> None:
    assert holm(np.array([0.01, 0.02, 0.9, 0.011])) == pytest.approx([0.04, 0.04, 0.9, 0.04])
    assert holm(np.array([])).tolist() == []

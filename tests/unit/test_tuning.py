"""Tuning: what is better is found, what only looks better is not chosen, and what is equal changes nothing."""

import time
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest

from llm_engineering.application.retrieval.fusion import DENSE, SPARSE, Convex, Interpolation
from llm_engineering.application.tuning import (
    Asked,
    Choice,
    Judged,
    RankedQuestions,
    Setting,
    calibrate,
    choose,
    fit,
    settings_of,
)
from llm_engineering.application.tuning.choosing import sign_test
from llm_engineering.application.tuning.halving import successive_halving
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.queries import ScoredPoint

KINDS = ("interpolation", "zscore", "convex", "rrf")
DEFAULT = Setting(Interpolation(), 50)


def ranking(chance: Random, good: float, points: int = 40) -> list[ScoredPoint]:
    """Rank points at random; with probability `good` the one that answers, p00, comes first."""
    ids = [f"p{number:02}" for number in range(points)]
    chance.shuffle(ids)
    if chance.random() < good:
        ids.sort(key=lambda one: one != "p00")
    return [ScoredPoint(one, 1.0 - rank / points, {"document_id": one}) for rank, one in enumerate(ids)]


def questions(count: int, seed: int, dense: float, sparse: float) -> RankedQuestions:
    chance = Random(seed)
    return RankedQuestions.of(
        [
            Asked(str(n), frozenset({"p00"}), {DENSE: ranking(chance, dense), SPARSE: ranking(chance, sparse)})
            for n in range(count)
        ]
    )


def chosen(settings: Sequence[Setting], train: RankedQuestions, validation: RankedQuestions, seed: int = 0) -> Choice:
    clusters = [str(number) for number in range(len(validation))]
    return choose(settings, {0: train}, {0: validation}, clusters, "mrr", 10, seed, 0.95)


def test_a_setting_that_is_better_is_found_and_chosen() -> None:
    settings = settings_of(DEFAULT, KINDS, (20, 50), (), 1_000, 0)
    choice = chosen(settings, questions(400, 1, dense=0.3, sparse=0.9), questions(200, 2, dense=0.3, sparse=0.9))
    assert choice.changed
    assert choice.chosen != DEFAULT
    assert choice.after > choice.before + 0.1
    assert choice.p < 0.01


def test_where_nothing_can_be_won_the_default_is_nearly_always_kept() -> None:
    """All settings are noise here: the winner of the training questions is the luckiest of a hundred."""
    settings = settings_of(DEFAULT, KINDS, (50,), (), 100, 0)
    table = questions(240, 3, dense=0.5, sparse=0.5)
    changed = 0
    for seed in range(40):
        order = np.random.default_rng(seed).permutation(240)
        shuffled = RankedQuestions(
            table.ids, table.documents, _moved(table.relevant, seed), table.known, table.dense, table.sparse
        )
        changed += chosen(settings, shuffled.take(order[:160]), shuffled.take(order[160:]), seed).changed
    assert changed <= 5  # 2 are expected; more than 5 happens once in a hundred


def _moved(relevant: np.ndarray, seed: int) -> np.ndarray:
    """Let any document be the one that answers: then no weight is better than another."""
    chance = np.random.default_rng(seed)
    return np.stack([np.roll(row, chance.integers(len(row))) for row in relevant])


def test_the_default_wins_ties() -> None:
    perfect = questions(100, 4, dense=1.0, sparse=1.0)
    choice = chosen(settings_of(DEFAULT, KINDS, (50,), (), 500, 0), perfect, perfect)
    assert choice.chosen == choice.winner == DEFAULT
    assert "best of all" in choice.reason


def test_a_gain_on_too_few_documents_is_none() -> None:
    settings = settings_of(DEFAULT, KINDS, (50,), (), 200, 0)
    train, validation = questions(200, 1, dense=0.3, sparse=0.9), questions(200, 2, dense=0.3, sparse=0.9)
    choice = choose(settings, {0: train}, {0: validation}, ["one"] * 100 + ["two"] * 100, "mrr", 10, 0, 0.95)
    assert not choice.changed
    assert "2 clusters" in choice.reason


def test_no_questions_are_a_mistake() -> None:
    some = questions(5, 1, 0.5, 0.5)
    with pytest.raises(UsageError, match="both splits"):
        choose([DEFAULT], {0: some}, {0: RankedQuestions.of([])}, [], "mrr", 10, 0, 0.95)
    with pytest.raises(UsageError, match="both splits"):
        choose([DEFAULT], {0: RankedQuestions.of([])}, {0: some}, ["a"] * 5, "mrr", 10, 0, 0.95)


def test_the_same_seed_makes_the_same_choice() -> None:
    settings = settings_of(DEFAULT, KINDS, (20, 50), (), 300, 7)
    train, validation = questions(150, 1, 0.4, 0.6), questions(80, 2, 0.4, 0.6)
    assert settings == settings_of(DEFAULT, KINDS, (20, 50), (), 300, 7)
    assert chosen(settings, train, validation) == chosen(settings, train, validation)


def test_chunk_sizes_are_searched_in_their_own_rankings() -> None:
    settings = [DEFAULT, Setting(DEFAULT.fusion, 50, 128)]
    bad, good = questions(200, 1, 0.2, 0.2), questions(200, 1, 0.9, 0.9)
    clusters = [str(number) for number in range(200)]
    choice = choose(settings, {0: bad, 128: good}, {0: bad, 128: good}, clusters, "ndcg", 10, 0, 0.95)
    assert choice.chosen.chunk_tokens == 128


def test_a_thousand_settings_take_seconds() -> None:
    settings = settings_of(DEFAULT, KINDS, (10, 20, 30, 50, 75, 100, 150), (), 1_000, 0)
    assert len(settings) == 1_000
    train, validation = questions(500, 1, 0.5, 0.7), questions(200, 2, 0.5, 0.7)
    started = time.process_time()
    chosen(settings, train, validation)
    assert time.process_time() - started < 60


def test_the_default_reaches_the_last_rung_however_bad_it_is() -> None:
    def score(candidate: int, rows: np.ndarray) -> np.ndarray:
        return np.full(len(rows), float(candidate))

    last = successive_halving(list(range(50)), score, 1_000, 0)
    assert last[0] == (49, 49.0)
    assert (0, 0.0) in last
    assert len(last) < 10


def test_the_settings_begin_with_the_default_and_hold_it_once() -> None:
    settings = settings_of(DEFAULT, ("convex",), (50,), (), 100, 0)
    assert settings[0] == DEFAULT
    assert len(set(settings)) == len(settings)
    assert all(isinstance(setting.fusion, Convex) for setting in settings[1:])


def test_questions_about_the_same_documents_are_one_witness() -> None:
    difference = np.full(30, 0.1)
    assert sign_test(difference, [str(n) for n in range(30)], 0)[0] < 0.01
    assert sign_test(difference, ["a"] * 15 + ["b"] * 15, 0)[0] > 0.4


def judged(count: int, seed: int, low: float, high: float, answerable: bool) -> list[Judged]:
    chance = Random(seed)
    return [Judged(chance.uniform(low, high), answerable, f"{answerable}{n}") for n in range(count)]


def test_a_threshold_that_separates_better_is_chosen() -> None:
    rows = [[*judged(200, s, 0.75, 1.0, True), *judged(200, s + 1, 0.3, 0.7, False)] for s in (1, 3)]
    calibration = calibrate(rows[0], rows[1], 0.5, 0.05, 0, 0.95)
    assert not calibration.reason
    assert 0.65 < calibration.threshold <= 0.8
    assert calibration.let_through < 0.1 < calibration.let_through_before
    assert calibration.refused < 0.05


def test_a_threshold_is_kept_where_nothing_is_won_and_where_there_are_few_questions() -> None:
    rows = [*judged(200, 1, 0.6, 1.0, True), *judged(200, 2, 0.0, 0.4, False)]
    assert calibrate(rows, rows, 0.5, 0.05, 0, 0.95).threshold == 0.5
    few = calibrate(rows, rows[:40], 0.5, 0.05, 0, 0.95)
    assert few.threshold == 0.5
    assert "are needed" in few.reason


def test_no_threshold_refuses_more_questions_with_an_answer_than_allowed() -> None:
    rows = [*judged(300, 1, 0.4, 1.0, True), *judged(300, 2, 0.3, 0.9, False)]
    assert calibrate(rows, rows, 0.42, 0.1, 0, 0.95).refused <= 0.1
    with pytest.raises(UsageError, match="may_refuse"):
        calibrate(rows, rows, 0.42, 1.0, 0, 0.95)


def seen(count: int, seed: int, cosine: float, answerable: bool) -> list[Judged]:
    chance = Random(seed)
    return [
        Judged(0.0, answerable, f"{answerable}{n}", {"cosine": chance.gauss(cosine, 0.1), "words": chance.random()})
        for n in range(count)
    ]


def test_a_formula_is_found_for_a_model_that_has_none() -> None:
    train = [*seen(200, 1, 1.0, True), *seen(200, 2, 0.5, False)]
    validation = [*seen(200, 3, 1.0, True), *seen(200, 4, 0.5, False)]
    found = fit(train, validation, 0.05, 0, 0.95)
    assert found.formula is not None
    assert found.threshold == 0.5
    assert found.refused <= 0.1
    assert found.let_through < 0.2
    assert found.let_through_before == 1.0
    assert found.formula.weights["cosine"] > abs(found.formula.weights["words"])


def test_no_formula_is_made_of_noise_or_of_few_questions() -> None:
    noise = [[*seen(200, s, 0.7, True), *seen(200, s + 1, 0.7, False)] for s in (1, 3)]
    assert fit(noise[0], noise[1], 0.05, 0, 0.95).formula is None
    assert "are needed" in fit(noise[0], noise[1][:30], 0.05, 0, 0.95).reason

"""Fusion as arithmetic: what every method promises, and what each of them is."""

import math
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_engineering.application.retrieval.fusion import Convex, Fusion, Interpolation, Rrf, ZScore, standardised
from llm_engineering.domain.queries import ScoredPoint

EVERY: list[Fusion] = [Interpolation(), ZScore(), Convex(), Rrf()]
SCORES = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-100, 100), max_size=8)
RANKINGS = st.dictionaries(st.sampled_from(["dense", "sparse"]), SCORES, max_size=2)


def ranking(scores: Mapping[str, float]) -> Sequence[ScoredPoint]:
    ordered = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
    return [ScoredPoint(name, score, {}) for name, score in ordered]


def rankings(dense: Mapping[str, float], sparse: Mapping[str, float]) -> dict[str, Sequence[ScoredPoint]]:
    return {"dense": ranking(dense), "sparse": ranking(sparse)}


@pytest.mark.parametrize("fusion", EVERY, ids=lambda fusion: fusion.kind)
@given(given_scores=RANKINGS)
def test_every_candidate_gets_one_finite_score(fusion: Fusion, given_scores: dict[str, dict[str, float]]) -> None:
    asked = {method: ranking(scores) for method, scores in given_scores.items()}
    fused = fusion.fuse(asked)
    assert set(fused) == {name for scores in given_scores.values() for name in scores}
    assert all(math.isfinite(score) for score in fused.values())
    assert fusion.fuse(asked) == fused


@pytest.mark.parametrize("fusion", EVERY, ids=lambda fusion: fusion.kind)
@given(dense=SCORES, sparse=SCORES)
def test_what_both_methods_prefer_is_never_behind(
    fusion: Fusion, dense: dict[str, float], sparse: dict[str, float]
) -> None:
    best = {"best": 101.0}
    fused = fusion.fuse(rankings(dense | best, sparse | best))
    assert all(fused["best"] >= score - 1e-9 for score in fused.values())


@pytest.mark.parametrize("fusion", EVERY, ids=lambda fusion: fusion.kind)
def test_nothing_found_is_nothing(fusion: Fusion) -> None:
    assert fusion.fuse({}) == {}
    assert fusion.fuse({"dense": [], "sparse": []}) == {}


@pytest.mark.parametrize("fusion", EVERY, ids=lambda fusion: fusion.kind)
def test_a_method_that_found_nothing_leaves_the_order_to_the_other(fusion: Fusion) -> None:
    fused = fusion.fuse(rankings({"a": 0.7, "b": 0.5, "c": 0.2}, {}))
    assert sorted(fused, key=lambda name: -fused[name]) == ["a", "b", "c"]


# Ranks tell equal scores apart; the search has ordered them by id before.
@pytest.mark.parametrize("fusion", EVERY[:-1], ids=lambda fusion: fusion.kind)
def test_equal_scores_stay_equal(fusion: Fusion) -> None:
    fused = fusion.fuse(rankings({"a": 0.5, "b": 0.5}, {"a": 4.0, "b": 4.0}))
    assert fused["a"] == fused["b"]


def test_interpolation_adds_bm25_to_the_cosine() -> None:
    fused = Interpolation(lexical=0.02).fuse(rankings({"a": 0.6, "b": 0.5}, {"a": 5.0, "b": 15.0}))
    assert fused == pytest.approx({"a": 0.7, "b": 0.8})


def test_words_decide_when_they_are_rare_and_meaning_when_they_are_common() -> None:
    meaning = {"near": 0.6, "far": 0.4}
    rare = Interpolation().fuse(rankings(meaning, {"far": 25.0, "near": 5.0}))
    common = Interpolation().fuse(rankings(meaning, {"far": 5.0, "near": 1.0}))
    assert rare["far"] > rare["near"]
    assert common["near"] > common["far"]
    # Brought to the same range, the two queries look the same.
    mixes = [Convex().fuse(rankings(meaning, sparse)) for sparse in ({"far": 25, "near": 5}, {"far": 5, "near": 1})]
    assert mixes[0] == mixes[1]


def test_what_a_method_did_not_find_stands_a_little_below_its_worst() -> None:
    fused = Interpolation(lexical=1.0, missing=0.9).fuse(rankings({"a": 0.5}, {"b": 10.0}))
    assert fused == pytest.approx({"a": 0.5 + 9.0, "b": 0.45 + 10.0})


def test_below_the_worst_is_below_also_where_scores_are_negative() -> None:
    fused = Interpolation(lexical=0.0).fuse(rankings({"a": -0.5}, {"b": 1.0}))
    assert fused["b"] < fused["a"] == -0.5


def test_zscore_does_not_hang_on_the_worst_of_the_pool() -> None:
    near = {"a": 0.70, "b": 0.69, "c": 0.68, "d": 0.67}
    words = {"b": 9.0, "a": 8.0, "c": 2.0, "d": 1.0}
    alone = ZScore(weight=0.5).fuse(rankings(near, words))
    shifted = ZScore(weight=0.5).fuse(rankings({name: score + 0.2 for name, score in near.items()}, words))
    assert shifted == pytest.approx(alone)


@given(st.lists(st.floats(-1e6, 1e6), max_size=20))
def test_standardised_scores_have_mean_0_and_keep_the_order(scores: list[float]) -> None:
    brought = standardised(scores)
    assert len(brought) == len(scores)
    assert all(math.isfinite(score) for score in brought)
    by_score = sorted(zip(scores, brought, strict=True))
    assert [score for _, score in by_score] == sorted(brought)

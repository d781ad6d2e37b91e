import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_engineering.application.datasets.likeness import alike_texts, alike_vectors, bands_of, jaccard, words_of
from llm_engineering.application.datasets.splitting import Groups, clusters_of, fraction, split_of, splits_of
from llm_engineering.domain.datasets import Split

WORDS = st.frozensets(st.sampled_from("abcdefghijklmnop"), max_size=12)


def exact(sets: list[frozenset[str]], threshold: float) -> set[tuple[int, int]]:
    pairs = ((i, j) for j in range(len(sets)) for i in range(j))
    return {(i, j) for i, j in pairs if jaccard(sets[i], sets[j]) >= threshold}


@given(st.lists(WORDS, max_size=30), st.sampled_from([0.5, 0.7, 0.8, 1.0]))
@settings(deadline=None)
def test_what_is_called_alike_is_alike_by_the_exact_measure(sets: list[frozenset[str]], threshold: float) -> None:
    found = list(alike_texts(sets, threshold))
    assert set(found) <= exact(sets, threshold)
    assert len(found) == len(set(found))


def test_hardly_any_pair_is_missed() -> None:
    draw = random.Random(0)
    vocabulary = [f"word{number}" for number in range(300)]
    sets = []
    for _ in range(300):
        base = draw.sample(vocabulary, 20)
        sets.append(frozenset(base))
        # Jaccard 0.90, 0.82, 0.74
        sets += [frozenset([*base[some:], *draw.sample(vocabulary, some)]) for some in (1, 2, 3)]
    for threshold in (0.7, 0.8):
        wanted = exact(sets, threshold)
        missed = wanted - set(alike_texts(sets, threshold))
        assert len(wanted) > 500
        assert len(missed) <= len(wanted) / 1000


def test_many_equal_texts_are_joined_in_linear_time() -> None:
    pairs = list(alike_texts([frozenset({"a", "b"})] * 5_000, 0.8))
    groups: Groups[int] = Groups(range(5_000))
    for pair in pairs:
        groups.join(pair)
    assert len(groups.all()) == 1
    assert len(pairs) < 20_000


def test_texts_without_words_are_compared_by_their_signs() -> None:
    assert words_of("???") == {"???"}
    assert words_of("") == frozenset()
    assert jaccard((), ()) == 1.0
    assert list(alike_texts([frozenset(), frozenset(), frozenset({"a"})], 0.5)) == [(0, 1)]
    assert bands_of(1.0) == (1, 128)


def test_vectors_that_point_the_same_way_are_alike() -> None:
    vectors = np.array([[1, 0], [0.8, 0.6], [0.99, 0.141], [0, 1]], dtype=np.float32)
    assert list(alike_vectors(vectors, 0.98)) == [(0, 2)]
    assert list(alike_vectors(np.empty((0, 2), dtype=np.float32), 0.9)) == []


def test_shares_are_about_what_was_asked_for_and_a_seed_changes_them() -> None:
    drawn = [split_of(f"cluster-{number}", 0, 0.1, 0.3) for number in range(5_000)]
    assert abs(drawn.count(Split.TEST) / 5_000 - 0.3) < 0.02
    assert abs(drawn.count(Split.VALIDATION) / 5_000 - 0.1) < 0.02
    assert drawn != [split_of(f"cluster-{number}", 1, 0.1, 0.3) for number in range(5_000)]


def test_a_cluster_that_grows_keeps_its_split_most_of_the_time() -> None:
    kept = 0
    for number in range(1_000):
        names = [f"{number}-{place}" for place in range(5)]
        before, after = Groups(names[:4]), Groups(names)
        before.join(names[:4])
        after.join(names)
        splits = [split_of(clusters_of(groups)[names[0]], 0, 0.1, 0.3) for groups in (before, after)]
        kept += splits[0] == splits[1]
    assert kept > 850  # one in five gets another id, and about half of those another split


def test_named_splits_win_by_their_strength_and_others_are_learnt_from() -> None:
    clusters = [f"cluster-{number}" for number in range(200)]
    named = {"cluster-0": [Split.TRAIN, Split.TEST], "cluster-1": [Split.VALIDATION, Split.TRAIN]}
    splits = splits_of(clusters, named, 0, 0.1, 0.3)
    assert (splits["cluster-0"], splits["cluster-1"]) == (Split.TEST, Split.VALIDATION)
    assert [name for name, split in splits.items() if split is Split.TEST] == ["cluster-0"]
    train = {name: [Split.TRAIN] for name in clusters[1:]}
    without = splits_of(clusters, {"cluster-0": [Split.TEST]} | train, 0, 0.1, 0.3)
    assert 10 < list(without.values()).count(Split.VALIDATION) < 60


def test_fractions_are_the_same_everywhere() -> None:
    assert round(fraction("split", "0", "x"), 6) == 0.442361

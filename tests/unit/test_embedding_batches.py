"""Batches of similar length, and the window."""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_engineering.domain.errors import BackendError
from llm_engineering.infrastructure.embedders.rows import WIDTH, Rows
from llm_engineering.infrastructure.embedders.window import check_window, length_buckets

LENGTHS = st.lists(st.integers(1, 300), max_size=200)


@given(LENGTHS, st.integers(1, 2_000))
def test_buckets_hold_each_text_once_and_fit_the_budget(lengths: list[int], budget: int) -> None:
    buckets = list(length_buckets(lengths, budget))
    assert sorted(position for bucket in buckets for position in bucket) == list(range(len(lengths)))
    for bucket in buckets:
        padded = len(bucket) * max(lengths[position] for position in bucket)
        assert padded <= budget or len(bucket) == 1


@given(LENGTHS, st.integers(300, 2_000))
def test_a_bucket_is_closed_only_when_the_next_text_does_not_fit(lengths: list[int], budget: int) -> None:
    buckets = list(length_buckets(lengths, budget))
    for bucket in buckets[:-1]:
        assert (len(bucket) + 1) * lengths[bucket[0]] > budget


@given(LENGTHS, st.integers(300, 2_000))
def test_buckets_waste_less_than_batches_in_the_given_order(lengths: list[int], budget: int) -> None:
    ordered = [lengths[position] for bucket in length_buckets(lengths, budget) for position in bucket]
    assert ordered == sorted(lengths, reverse=True)


@given(LENGTHS, st.integers(300, 2_000), st.floats(0.0, 1.0), st.integers(0, 300))
def test_no_text_of_a_bucket_is_shorter_than_its_share_of_the_longest_unless_all_are_short(
    lengths: list[int], budget: int, least: float, short: int
) -> None:
    buckets = list(length_buckets(lengths, budget, least, short))
    assert [position for bucket in buckets for position in bucket] == list(
        chain.from_iterable(length_buckets(lengths, budget))
    )
    for bucket, after in zip(buckets, [*buckets, []][1:], strict=True):
        longest = lengths[bucket[0]]
        share = 0.0 if longest <= short else least
        assert all(lengths[position] >= share * longest for position in bucket)
        if after:
            assert lengths[after[0]] < share * longest or (len(bucket) + 1) * longest > budget


@given(st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=300), min_size=1, max_size=40))
def test_in_rows_each_text_is_whole_and_told_from_its_neighbours_and_hardly_a_token_is_padding(
    ids: list[list[int]],
) -> None:
    rows = Rows.of(ids)
    tokens, positions, texts = (rows.inputs[name] for name in ("input_ids", "position_ids", "text_ids"))
    assert tokens.shape == positions.shape == texts.shape
    for number, (place, sequence) in enumerate(zip(rows.places, ids, strict=True), start=1):
        assert tokens[place].tolist() == sequence
        assert positions[place].tolist() == list(range(len(sequence)))
        assert (texts == number).sum() == (texts[place] == number).sum() == len(sequence)
    assert not tokens[texts == 0].any()
    assert tokens.shape[1] <= max(WIDTH, *map(len, ids))
    assert tokens.size <= len(ids) * max(map(len, ids))
    if len(tokens) < len(ids):  # the next text did not fit
        for row in range(len(tokens) - 1):
            first = next(len(ids[place]) for place, (at, _) in enumerate(rows.places) if at == row + 1)
            assert (texts[row] > 0).sum() + first > max(WIDTH, *map(len, ids))


@pytest.mark.parametrize(
    ("lengths", "shape"),
    [
        ([31, 20, 11], (1, 62)),
        ([60, 40, 20, 8], (1, 128)),
        ([100, 70, 65, 64, 64], (5, 100)),  # filled, there would be four of 128
        ([64, 64, 64, 64], (4, 64)),
        ([300, 200], (2, 300)),
    ],
    ids=str,
)
def test_rows_are_shared_where_that_takes_less_room(lengths: list[int], shape: tuple[int, int]) -> None:
    assert Rows.of([[1] * length for length in lengths]).inputs["input_ids"].shape == shape


def test_the_window_names_the_first_text_that_does_not_fit() -> None:
    check_window([], 10)
    check_window([10, 1], 10)
    with pytest.raises(BackendError, match="text 1 takes 11 tokens, the embedder's window is 10"):
        check_window([3, 11, 12], 10)

"""The trigram models that the GPT is compared with are distributions: what they give all tokens adds up to one."""

import math

import pytest

from llm_engineering.infrastructure.trainers.gpt.trigrams import Counts, jelinek_mercer, kneser_ney

COUNTS = Counts([[1, 2, 3, 1, 2, 4, 0], [2, 3, 3, 1, 0]], 6)


@pytest.mark.parametrize("history", [(1, 2), (3, 1), (5, 5), (2, 5), (5, 2), (3, 3)])
def test_probabilities_after_any_history_add_up_to_one(history: tuple[int, int]) -> None:
    settings = (0.5, 0.7, 0.8), (0.1, 0.2, 0.3, 0.4)
    for loss, how in zip((kneser_ney, jelinek_mercer), settings, strict=True):
        first = loss(COUNTS, history, 1, how)
        each = [math.exp(first - 2 * loss(COUNTS, (*history, token), 2, how)) for token in range(6)]
        assert sum(each) == pytest.approx(1.0)


def test_what_was_seen_is_likelier_than_what_was_not() -> None:
    for loss, how in ((kneser_ney, (0.5, 0.7, 0.8)), (jelinek_mercer, (0.1, 0.2, 0.3, 0.4))):
        assert loss(COUNTS, (1, 2, 3), 2, how) < loss(COUNTS, (1, 2, 0), 2, how)

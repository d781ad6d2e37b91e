"""Successive halving: many settings on few questions, the better half of them on twice as many, and so on.

Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", 2016.
"""

from collections.abc import Callable, Sequence
from math import ceil
from typing import TypeVar

import numpy as np
import numpy.typing as npt

C = TypeVar("C")
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]
# Scores a candidate on some questions, given by their positions: one number for each, more is better.
Score = Callable[[C, Integers], Floats]

FIRST_RUNG = 64


def successive_halving(
    candidates: Sequence[C], score: Score[C], questions: int, seed: int, keep: float = 0.5
) -> list[tuple[C, float]]:
    """Return the candidates of the last rung with their mean on all questions, best first.

    The first candidate is the default: it reaches the last rung whatever it scores, and stands before those with the
    same score; of the others the earlier one does. Each rung asks the questions of the one before and as many again.
    """
    order = np.random.default_rng(seed).permutation(questions)
    asked, left = min(FIRST_RUNG, questions), list(range(len(candidates)))
    while True:
        rows = np.sort(order[:asked])
        means = {at: float(score(candidates[at], rows).mean()) for at in left}
        left.sort(key=lambda at: (-round(means[at], 12), at))
        if asked == questions:
            return [(candidates[at], means[at]) for at in left]
        left = left[: max(2, ceil(len(left) * keep))]
        if 0 not in left:
            left.append(0)
        asked = min(2 * asked, questions)

"""Cosines of vectors of any length, in the way that is easiest to check."""

import math
import operator
from collections.abc import Sequence


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(map(operator.mul, one, other)) / math.hypot(*one) / math.hypot(*other)

"""Whether judgements of the same things agree, and whether the place of an answer decides what is said of it.

Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011. Alpha is 1 for full agreement, 0 for that of chance,
below 0 for systematic disagreement. Where all judgements are the same there is nothing to agree about: alpha is 1 then,
and the share says so as well. The usual bounds are 0.8 for reliable and 0.667 for tentative conclusions. Alpha is low
for rare verdicts even if nearly all agree, so a share of 0.9 is taken for agreement too.
"""

from collections.abc import Callable, Sequence
from math import comb

from llm_engineering.domain.llm_evaluation import Agreement

SAME = 0.9
BIASED = 0.01
Distance = Callable[[float, float], float]


def nominal(one: float, other: float) -> float:
    """Return 0 for the same, 1 for anything else."""
    return float(one != other)


def interval(one: float, other: float) -> float:
    """Return the squared difference."""
    return (one - other) ** 2


def alpha(units: Sequence[Sequence[float]], distance: Distance) -> float:
    """Return Krippendorff's alpha of units, each with its judgements; units with less than two do not count.

    >>> alpha([[1, 1], [2, 2], [3, 1]], nominal) < 1
    True
    """
    pairable = [unit for unit in units if len(unit) > 1]
    values = [value for unit in pairable for value in unit]
    count = len(values)
    seen = sum(
        sum(distance(one, other) for one in unit for other in unit) / (len(unit) - 1) for unit in pairable
    )  # a value is at distance 0 from itself
    amounts: dict[float, int] = {}
    for value in values:
        amounts[value] = amounts.get(value, 0) + 1
    expected = sum(
        first * second * distance(one, other) for one, first in amounts.items() for other, second in amounts.items()
    )
    return 1.0 if not expected else 1.0 - (count - 1) * seen / expected


def same_share(units: Sequence[Sequence[float]], within: float = 0.0) -> float:
    """Return the share of units whose judgements all agree, within a tolerance."""
    pairable = [unit for unit in units if len(unit) > 1]
    return sum(max(unit) - min(unit) <= within + 1e-9 for unit in pairable) / len(pairable) if pairable else 0.0


def first_bias(first: int, decided: int) -> float:
    """Return the chance that the first of two places is preferred so often, or so seldom, if the place is all one.

    >>> first_bias(5, 10), first_bias(10, 10) < 0.01
    (1.0, True)
    """
    if not decided:
        return 1.0
    far = abs(2 * first - decided)
    ways = sum(comb(decided, count) for count in range(decided + 1) if abs(2 * count - decided) >= far)
    return float(min(1.0, ways / 2**decided))


def of_scores(units: Sequence[Sequence[float]], bound: float) -> Agreement:
    """Return how far scores between 0 and 1 of the same answers agree; those within a tenth count as the same."""
    found, share, twice = alpha(units, interval), same_share(units, 0.1), sum(len(unit) > 1 for unit in units)
    reason = "" if twice else "nothing was judged twice (llm_evaluation.judge.repeats)"
    if twice and found < bound and share < SAME:
        reason = f"it does not agree with itself: alpha {found:.3f} is below {bound:g} (llm_evaluation.judge.agreement)"
    return Agreement(
        what="judge", units=twice, alpha=round(found, 4), share=round(share, 4), trusted=not reason, reason=reason
    )


def of_orders(verdicts: Sequence[tuple[float, float]], bound: float) -> Agreement:
    """Return how far verdicts on the same two answers in both orders agree.

    Each is (shown a first, shown b first): 1 where b is preferred, -1 where a is, 0 for a tie.
    """
    found, share = alpha(verdicts, nominal), same_share(verdicts)
    first = sum((one == -1) + (other == 1) for one, other in verdicts)
    decided = sum((one != 0) + (other != 0) for one, other in verdicts)
    p = first_bias(first, decided)
    preferred = first / decided if decided else 0.5
    reason = "" if verdicts else "no pair was judged in both orders"
    if verdicts and share < SAME and p < BIASED:
        place = "first" if preferred > 0.5 else "second"
        reason = (
            f"it prefers the answer that is shown {place}: the first one in {preferred:.3f} of {decided} decided "
            f"judgements (p = {p:.4f}); the two orders agree in {share:.3f} of {len(verdicts)} pairs"
        )
    elif verdicts and share < SAME and found < bound:
        reason = f"its two orders do not agree: alpha {found:.3f} is below {bound:g} (llm_evaluation.judge.agreement)"
    return Agreement(
        what="preferred", units=len(verdicts), alpha=round(found, 4), share=round(share, 4), trusted=not reason,
        reason=reason, first=round(preferred, 4), first_p=round(p, 6),
    )  # fmt: skip

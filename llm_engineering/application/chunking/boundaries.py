"""Where passages begin in a sequence of pieces, decided by the text nearby alone, so that an edit moves few of them.

Content-defined chunking in the manner of local minima (Bjørner, Blass, Gurevich 2010): each gap between two pieces has
a priority made of what follows it, and one that no other gap within a quarter of a passage precedes is a boundary. What
happens beyond that distance is of no account. One edited piece therefore moves at most one boundary on each side, and
with them three passages.

Two boundaries are at least a quarter apart and usually half, so most passages fit. One that does not is divided again
at the gap that comes first in its middle. That choice looks further, so it can move a fourth passage: once in some
thousands of edits.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

# How near another passage may begin, as a share of the limit. Near makes short passages, far moves more of them in an
# edit: with a third, one edit in two thousand moves four instead of one in ten thousand.
_RADIUS = 1 / 4
_MARGIN = 1 / 5


class Unit(NamedTuple):
    """A piece that stays whole, or several that stay together.

    `size` is in tokens; `limit` is the largest passage that may reach across the gap before the unit. Of two gaps the
    one with the lower `priority` comes first.
    """

    size: float
    limit: float
    priority: tuple[int, int]


def boundaries(units: Sequence[Unit]) -> list[int]:
    """Return the indexes of the units that begin a passage, ascending, without the first unit of all."""
    positions = list(accumulate((unit.size for unit in units), initial=0.0))
    forced = [0, *_too_long_together(units), len(units)]
    found: list[int] = []
    for first, last in pairwise(forced):
        minima = [index for index in range(first + 1, last) if _is_minimum(index, first, last, units, positions)]
        for begin, end in zip([first, *minima], [*minima, last], strict=True):
            found += [begin, *_divided(begin, end, units, positions)]
    return found[1:]


def _too_long_together(units: Sequence[Unit]) -> list[int]:
    """Return the gaps that no passage can reach across, whatever else happens."""
    return [index for index in range(1, len(units)) if units[index - 1].size + units[index].size > units[index].limit]


def _is_minimum(index: int, first: int, last: int, units: Sequence[Unit], positions: Sequence[float]) -> bool:
    """Tell whether the gap comes before all others within its radius. Of equals the leftmost one does."""
    here, priority = positions[index], units[index].priority
    radius = units[index].limit * _RADIUS
    if here - positions[first] < radius or positions[last] - here < radius:
        return False
    other = index - 1
    while here - positions[other] < radius:
        if units[other].priority <= priority:
            return False
        other -= 1
    other = index + 1
    while positions[other] - here < radius:
        if units[other].priority < priority:
            return False
        other += 1
    return True


def _divided(first: int, last: int, units: Sequence[Unit], positions: Sequence[float]) -> list[int]:
    """Return where a span of units has to be divided to keep to its limit; nowhere, if it does."""
    found: list[int] = []
    while last - first > 1:
        limit = min(unit.limit for unit in units[first + 1 : _reach(first, last, units, positions)])
        length = positions[last] - positions[first]
        if length <= limit and all(length <= unit.limit for unit in units[first + 1 : last]):
            break
        first = _first_in_the_middle(first, last, limit, units, positions)
        found.append(first)
    return found


def _reach(first: int, last: int, units: Sequence[Unit], positions: Sequence[float]) -> int:
    """Return the end of what a passage that begins at `first` could hold: no need to look at more."""
    end = first + 2
    while end < last and positions[end] - positions[first] <= units[end - 1].limit:
        end += 1
    return end


def _first_in_the_middle(first: int, last: int, limit: float, units: Sequence[Unit], positions: Sequence[float]) -> int:
    """Return the gap of the lowest priority that leaves neither side too short nor too long; of equals the last one."""
    begin, end, margin = positions[first], positions[last], limit * _MARGIN
    low, high = begin + margin, min(begin + limit, end - margin)
    if begin + limit < end <= begin + 2 * limit:  # two passages suffice
        low = max(low, end - limit)
    reachable = [first + 1]
    while reachable[-1] + 1 < last and positions[reachable[-1] + 1] <= begin + limit:
        reachable.append(reachable[-1] + 1)
    middle = [index for index in reachable if low <= positions[index] <= high]
    return min(middle or reachable[-1:], key=lambda index: (units[index].priority, -index))

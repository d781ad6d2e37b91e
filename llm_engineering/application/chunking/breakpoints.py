"""Where a sequence of units is parted: where neighbours differ most, within sizes."""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from llm_engineering.domain.value import Value

# The distance before a heading: beyond any of two texts.
HEADING = 3.0


class Percentile(Value):
    """Part a text where neighbours differ more than this share of its neighbours do."""

    kind: Literal["percentile"] = "percentile"
    value: float = Field(85.0, gt=0, lt=100, description="per cent of the gaps between sentences that stay closed")

    def threshold(self, distances: Sequence[float]) -> float:
        """Return the distance from which on a gap is open, by linear interpolation between two gaps."""
        ordered = sorted(distances)
        place = (len(ordered) - 1) * self.value / 100
        low = int(place)
        if low + 1 >= len(ordered):
            return ordered[-1] if ordered else HEADING
        return ordered[low] + (ordered[low + 1] - ordered[low]) * (place - low)


class Distance(Value):
    """Part a text where neighbours are further apart than this, whatever the rest of it is like."""

    kind: Literal["distance"] = "distance"
    value: float = Field(0.6, gt=0, le=2, description="1 - cosine; 0 is the same, 1 nothing in common")

    def threshold(self, distances: Sequence[float]) -> float:  # noqa: ARG002 - the signature of both
        """Return the distance from which on a gap is open."""
        return self.value


Breakpoint = Annotated[Percentile | Distance, Field(discriminator="kind")]


class Gap(NamedTuple):
    """What is known of a unit and the gap before it: its size in tokens, the distance, whether it must stay closed."""

    size: float
    distance: float
    glued: bool = False


def segments(gaps: Sequence[Gap], threshold: float, least: int, most: int) -> list[tuple[int, int]]:
    """Return ranges of units: parted at open gaps, none over `most` tokens if it has two units, few under `least`.

    A range that is too long is parted where the distance is greatest; one that is too short joins the nearer neighbour
    if both together fit. Equal distances are parted as late as possible. Near-linear.
    """
    opened = [0, *(index for index, gap in enumerate(gaps) if index and not gap.glued and gap.distance > threshold)]
    ranges: list[tuple[int, int]] = []
    for first, last in zip(opened, [*opened[1:], len(gaps)], strict=True):
        ranges += _fitting(gaps, first, last, least, most)
    return _joined(gaps, ranges, least, most)


def _fitting(gaps: Sequence[Gap], first: int, last: int, least: int, most: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    left = sum(gap.size for gap in gaps[first:last])
    while left > most and last - first > 1:
        cut = _best_cut(gaps, first, last, least, most, left)
        if cut is None:
            break
        found.append((first, cut))
        left -= sum(gap.size for gap in gaps[first:cut])
        first = cut
    return [*found, (first, last)]


def _best_cut(gaps: Sequence[Gap], first: int, last: int, least: int, most: int, left: float) -> int | None:
    """Return the gap of the greatest distance that leaves a range within both sizes, or else the last that fits."""
    best: int | None = None
    fallback: int | None = None
    taken = gaps[first].size
    for index in range(first + 1, last):
        if not gaps[index].glued:
            if taken > most and fallback is not None:
                break
            fallback = index
            if least <= taken <= most and left - taken >= least:
                best = index if best is None or gaps[index].distance >= gaps[best].distance else best
        taken += gaps[index].size
    return fallback if best is None else best


def _joined(gaps: Sequence[Gap], ranges: list[tuple[int, int]], least: int, most: int) -> list[tuple[int, int]]:
    """Let ranges that are too short join a neighbour, the nearer one first."""
    sizes = [sum(gap.size for gap in gaps[first:last]) for first, last in ranges]
    found: list[tuple[int, int]] = []
    totals: list[float] = []
    for index, (first, last) in enumerate(ranges):
        size = sizes[index]
        if found and min(size, totals[-1]) < least and totals[-1] + size <= most:
            after = gaps[last].distance if last < len(gaps) else HEADING + 1
            fits_after = index + 1 < len(ranges) and size + sizes[index + 1] <= most
            if totals[-1] < least or not fits_after or gaps[first].distance <= after:
                found[-1] = (found[-1][0], last)
                totals[-1] += size
                continue
        found.append((first, last))
        totals.append(size)
    return found

"""A map of the embeddings: their two principal components, coloured by source."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.corpus import CorpusMap, SourcePoints

# Sources that have a colour of their own; the rest share one.
COLOURS = 9
SIDE = 1_000
# The axes are found among so many points, which are enough for two.
_AXES_OF = 1_000
_DIRECTIONS, _ROUNDS = 24, 6


def draw_map(points: Sequence[tuple[str, Vector]]) -> CorpusMap:
    """Return the map of (source, vector); the same points in the same order give the same map."""
    if not points:
        return CorpusMap()
    vectors = np.stack([np.frombuffer(vector, dtype=np.float32) for _, vector in points], dtype=np.float64)
    np.nan_to_num(vectors, copy=False, posinf=0.0, neginf=0.0)
    vectors -= vectors.mean(axis=0)
    places, explained = _projected(vectors)
    named = [name for name, _ in sorted(Counter(name for name, _ in points).items(), key=lambda one: (-one[1], one[0]))]
    own = named if len(named) <= COLOURS + 1 else named[:COLOURS]
    others = f"{len(named) - len(own)} other sources"
    drawn: dict[str, list[int]] = {name: [] for name in own}
    for (name, _), (x, y) in zip(points, places.tolist(), strict=True):
        drawn.setdefault(name if name in own else others, []).extend((x, y))
    return CorpusMap(
        sources=tuple(SourcePoints(source=name, points=tuple(flat)) for name, flat in drawn.items()),
        explained=explained,
    )


def _projected(centred: NDArray[np.float64]) -> tuple[NDArray[np.int64], tuple[float, float]]:
    """Return places on a square of SIDE, (points, 2), and the share of the variance along both axes."""
    axes = _axes(centred[:_AXES_OF])
    # An axis may point either way; the way in which its largest component is positive is as good as any.
    axes *= np.where(axes[np.abs(axes).argmax(axis=0), np.arange(2)] < 0, -1.0, 1.0)
    places = centred @ axes
    low, high = places.min(axis=0), places.max(axis=0)
    scale = max(float((high - low).max()), 1e-12)
    placed = (places - (low + high) / 2) / scale * SIDE + SIDE / 2
    total = float(np.vdot(centred, centred)) or 1.0
    shares = (places**2).sum(axis=0) / total
    return np.rint(placed).astype(np.int64), (round(float(shares[0]), 4), round(float(shares[1]), 4))


def _axes(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the first two principal axes of centred points, (components, 2), by subspace iteration.

    A few directions that are multiplied and made orthogonal again and again turn into the first axes. It takes a
    hundredth of what a full decomposition does, which finds hundreds of axes that nobody draws.
    """
    components = points.shape[1]
    start = np.random.default_rng(0).standard_normal((components, max(2, min(_DIRECTIONS, components))))
    directions = np.linalg.qr(start)[0]
    for _ in range(_ROUNDS):
        directions = np.linalg.qr(points.T @ (points @ directions))[0]
    inside = points @ directions
    _, turned = np.linalg.eigh(inside.T @ inside)
    axes: NDArray[np.float64] = (directions @ turned)[:, ::-1][:, :2]
    return np.hstack([axes, np.zeros((components, 2 - axes.shape[1]))])

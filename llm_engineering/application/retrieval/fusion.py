"""Fusing the rankings of several search methods into one."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from llm_engineering.domain.queries import ScoredPoint
from llm_engineering.domain.value import Value

DENSE, SPARSE = "dense", "sparse"

# The ranking of each method, best first.
Rankings = Mapping[str, Sequence[ScoredPoint]]


class Convex(Value):
    """Mix the scores, brought to 0 … 1 in each ranking: `weight` of dense, the rest of sparse.

    It keeps how much better a hit is than the next, which ranks forget; see Bruch, Gai and Ingber, "An Analysis of
    Fusion Functions for Hybrid Retrieval" (2023).
    """

    kind: Literal["convex"] = "convex"
    weight: float = Field(0.5, ge=0.0, le=1.0, description="share of the dense score; the sparse one has the rest")

    def fuse(self, rankings: Rankings) -> dict[str, float]:
        """Return point id → score. A point that a method did not find has 0 there."""
        weights = {DENSE: self.weight, SPARSE: 1.0 - self.weight}
        fused: defaultdict[str, float] = defaultdict(float)
        for method, ranking in rankings.items():
            for point, score in zip(ranking, normalised([point.score for point in ranking]), strict=True):
                fused[point.id] += weights[method] * score
        return dict(fused)


class Rrf(Value):
    """Reciprocal rank fusion: add up `weight / (k + rank)`, the best rank being 1."""

    kind: Literal["rrf"] = "rrf"
    k: float = Field(2.0, ge=0.0, description="small: the first ranks decide; 60 is the value of the literature")
    dense_weight: float = Field(1.0, ge=0.0)
    sparse_weight: float = Field(1.0, ge=0.0)

    def fuse(self, rankings: Rankings) -> dict[str, float]:
        """Return point id → score. A point that a method did not find gets nothing from it."""
        weights = {DENSE: self.dense_weight, SPARSE: self.sparse_weight}
        fused: defaultdict[str, float] = defaultdict(float)
        for method, ranking in rankings.items():
            for rank, point in enumerate(ranking, start=1):
                fused[point.id] += weights[method] / (self.k + rank)
        return dict(fused)


Fusion = Annotated[Convex | Rrf, Field(discriminator="kind")]


def normalised(scores: Sequence[float]) -> list[float]:
    """Bring scores to 0 … 1, the best to 1. Where all are equal, a single one included, each is 1.

    >>> normalised([3.0, 2.0, 1.0]), normalised([7.0]), normalised([])
    ([1.0, 0.5, 0.0], [1.0], [])
    """
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    return [(score - low) / (high - low) if high > low else 1.0 for score in scores]

"""Fusing the rankings of several search methods into one."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from math import fsum, sqrt
from typing import Annotated, Literal

from pydantic import Field

from llm_engineering.domain.queries import ScoredPoint
from llm_engineering.domain.value import Value

DENSE, SPARSE = "dense", "sparse"

# The ranking of each method, best first.
Rankings = Mapping[str, Sequence[ScoredPoint]]


class Interpolation(Value):
    """Add the scores as they are: cosine + `lexical` · BM25.

    What is told by scores as such is kept: a query of rare words that stand in a passage has a high BM25, and words
    decide; one of common words has a low one, and meaning does. Mixes that bring each ranking to the same range give
    both the same say in every query. See Karpukhin et al., "Dense Passage Retrieval" (2020), and Wang, Zhuang and
    Zuccon, "BERT-based Dense Retrievers Require Interpolation with BM25" (2021).

    `lexical` fits cosines that are spread like those of all-MiniLM-L6-v2 (0.2 … 0.8). For a model whose cosines all lie
    between 0.7 and 0.9 choose a smaller one on your own questions, or `zscore`, which asks for nothing of the kind.
    """

    kind: Literal["interpolation"] = "interpolation"
    lexical: float = Field(0.02, ge=0.0, allow_inf_nan=False, description="what a point of BM25 is worth in cosine")
    missing: float = Field(
        0.9,
        ge=0.0,
        le=1.0,
        description="what a passage that one method did not find has there: share of its worst score",
    )

    def fuse(self, rankings: Rankings) -> dict[str, float]:
        """Return point id → score. A method that found nothing at all has no say."""
        weights = {DENSE: 1.0, SPARSE: self.lexical}
        given = {method: {point.id: point.score for point in ranking} for method, ranking in rankings.items()}
        return added(given, weights, {method: self._floor(scores.values()) for method, scores in given.items()})

    def _floor(self, scores: Collection[float]) -> float:
        """Return a score below the worst, also where that is negative; 0 if there is none."""
        worst = min(scores, default=0.0)
        return worst - (1.0 - self.missing) * abs(worst)


class ZScore(Value):
    """Mix the scores, brought to mean 0 and deviation 1 in each ranking: `weight` of dense, the rest of sparse.

    It knows no scale, so it fits any embedder; and unlike `convex` it does not hang on the worst score of the pool.
    """

    kind: Literal["zscore"] = "zscore"
    weight: float = Field(0.6, ge=0.0, le=1.0, description="share of the dense score; the sparse one has the rest")

    def fuse(self, rankings: Rankings) -> dict[str, float]:
        """Return point id → score. A point that a method did not find stands there with the worst that it found."""
        weights = {DENSE: self.weight, SPARSE: 1.0 - self.weight}
        given = {
            method: dict(zip((point.id for point in ranking), standardised([p.score for p in ranking]), strict=True))
            for method, ranking in rankings.items()
        }
        return added(given, weights, {method: min(scores.values(), default=0.0) for method, scores in given.items()})


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


Fusion = Annotated[Interpolation | ZScore | Convex | Rrf, Field(discriminator="kind")]


def added(
    given: Mapping[str, Mapping[str, float]], weights: Mapping[str, float], floors: Mapping[str, float]
) -> dict[str, float]:
    """Return point id → the weighted sum of its scores; where a method did not find a point, its floor stands for it.

    >>> added({"a": {"x": 3.0}, "b": {"y": 2.0}}, {"a": 1.0, "b": 10.0}, {"a": 0.5, "b": 1.0})
    {'x': 13.0, 'y': 20.5}
    """
    total = dict.fromkeys(chain.from_iterable(given.values()), 0.0)
    for method, scores in given.items():
        weight, floor = weights[method], floors[method]
        for point in total:
            total[point] += weight * scores.get(point, floor)
    return total


def normalised(scores: Sequence[float]) -> list[float]:
    """Bring scores to 0 … 1, the best to 1. Where all are equal, a single one included, each is 1.

    >>> normalised([3.0, 2.0, 1.0]), normalised([7.0]), normalised([])
    ([1.0, 0.5, 0.0], [1.0], [])
    """
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    return [(score - low) / (high - low) if high > low else 1.0 for score in scores]


def standardised(scores: Sequence[float]) -> list[float]:
    """Bring scores to mean 0 and standard deviation 1. Where all are equal, each is 0.

    >>> standardised([3.0, 1.0]), standardised([7.0]), standardised([])
    ([1.0, -1.0], [0.0], [])
    """
    if not scores:
        return []
    mean = fsum(scores) / len(scores)
    deviation = sqrt(fsum((score - mean) * (score - mean) for score in scores) / len(scores))
    return [(score - mean) / deviation if deviation else 0.0 for score in scores]

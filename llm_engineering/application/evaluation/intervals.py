"""How sure a mean over questions is: bootstrap percentile intervals over clusters of questions.

Questions about one document are not independent: a passage that is hard to find is so for all of them. Resampling
questions one by one takes them for independent, and its intervals are too narrow (with five questions a document that
mostly succeed or fail together, 95 % intervals hold the true mean in about 75 % of all samples). Here documents are
resampled: a cluster is a set of questions that share relevant documents, directly or through other questions.

Percentile intervals: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13; of clusters: Davison
and Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llm_engineering.domain.evaluation import Estimate

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]
# Random draws are made in blocks of so many numbers, which bounds the memory whatever the number of questions.
BLOCK = 4_000_000


@dataclass(frozen=True)
class Interval:
    """What an interval is to be like: its confidence, the number of samples, the seed, the least and largest value."""

    confidence: float
    resamples: int
    seed: int
    least: float
    largest: float


def clusters_of(relevant: Sequence[Sequence[Hashable]]) -> Positions:
    """Return the number of the cluster of each question, from 0. A question without documents is one of its own."""
    parent: dict[Hashable, Hashable] = {}

    def root(node: Hashable) -> Hashable:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    firsts: list[Hashable] = []
    for position, documents in enumerate(relevant):
        first, *others = documents or ((position,),)  # a tuple, which is the name of no document
        firsts.append(first)
        for other in others:
            parent[root(other)] = root(first)
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(root(first), len(numbers)) for first in firsts], dtype=np.intp)


def by_cluster(values: Floats, clusters: Positions, slices: Sequence[Positions]) -> tuple[Floats, Floats]:
    """Return sums (clusters, slices, metrics) and numbers of questions (clusters, slices) of values by cluster."""
    count = int(clusters.max()) + 1
    sums = np.zeros((count, len(slices), values.shape[1]))
    sizes = np.zeros((count, len(slices)))
    for column, members in enumerate(slices):
        np.add.at(sums[:, column], clusters[members], values[members])
        np.add.at(sizes[:, column], clusters[members], 1.0)
    return sums, sizes


def mean_intervals(
    values: Floats, clusters: Positions, slices: Sequence[Positions], interval: Interval
) -> list[list[Estimate]]:
    """Return for each slice and metric the mean of values (questions, metrics) with its interval.

    Where all clusters of a slice have the same mean, as with a hit rate of 1, resampling would show no doubt at all;
    the interval is then what clusters of another mean leave room for when none was seen among so many.
    """
    sums, sizes = by_cluster(values, clusters, slices)
    totals = sizes.sum(axis=0)  # (slices,)
    means = sums.sum(axis=0) / totals[:, None]
    lows, highs = _percentiles(sums, sizes, interval)
    for column in range(len(slices)):
        there = sizes[:, column] > 0
        each = sums[there, column] / sizes[there, column, None]
        same = np.ptp(each, axis=0) < 1e-12
        rest = unseen(int(there.sum()), interval.confidence)
        lows[column, same] = means[column, same] - rest * (means[column, same] - interval.least)
        highs[column, same] = means[column, same] + rest * (interval.largest - means[column, same])
    # Means of the same numbers in another order may differ in the last place; an interval holds its own mean.
    lows, highs = np.minimum(lows, means), np.maximum(highs, means)
    return [
        [
            Estimate(value=_rounded(mean), low=_rounded(low), high=_rounded(high), n=int(total))
            for mean, low, high in zip(*row, strict=True)
        ]
        for total, *row in zip(totals, means, lows, highs, strict=True)
    ]


def unseen(clusters: int, confidence: float) -> float:
    """Return how large a share of all clusters may be of a kind of which none was seen among so many.

    >>> round(unseen(100, 0.95), 4)
    0.0362
    """
    return float(1 - ((1 - confidence) / 2) ** (1 / max(clusters, 1)))


def _percentiles(sums: Floats, sizes: Floats, interval: Interval) -> tuple[Floats, Floats]:
    """Return the lower and the upper end (slices, metrics) over samples of the clusters, drawn with replacement."""
    count, slices, metrics = sums.shape
    flat = sums.reshape(count, slices * metrics)
    means = []
    for weights in _samples(count, interval.resamples, interval.seed):
        drawn = weights @ sizes  # (samples, slices); 0 where a sample has no question of a small slice
        with np.errstate(invalid="ignore", divide="ignore"):
            means.append((weights @ flat).reshape(-1, slices, metrics) / drawn[:, :, None])
    tail = (1 - interval.confidence) / 2
    together = np.concatenate(means)
    if not np.isnan(together).any():
        low, high = np.quantile(together, [tail, 1 - tail], axis=0)
        return low, high
    low, high = np.nanquantile(together, [tail, 1 - tail], axis=0)
    return low, high


def _samples(count: int, resamples: int, seed: int) -> Iterator[Floats]:
    """Yield blocks of samples (samples, clusters): how often each cluster was drawn."""
    generator = np.random.default_rng(seed)
    for size in blocks(count, resamples):
        drawn = generator.integers(0, count, size=(size, count)) + count * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count).astype(np.float64)


def blocks(count: int, rows: int) -> Iterator[int]:
    """Yield numbers of rows that add up to `rows`, each for at most BLOCK numbers (or one row)."""
    most = max(1, BLOCK // count)
    while rows > 0:
        yield min(rows, most)
        rows -= most


def _rounded(value: float) -> float:
    return round(float(value), 9)

"""What a GPT has to beat: trigram models, which count how often three tokens follow each other, and nothing more.

They are smoothed as well as is known to be worth it: interpolated Kneser–Ney, and Jelinek–Mercer.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

Rows = Sequence[Sequence[int]]


def tuned_loss(rows: Rows, tested: Sequence[int], count: int, vocabulary: int) -> tuple[str, float]:
    """Return the better of both models, and its loss in nats for the tokens 1 to `count` of those that are tested.

    Their parameters are those that serve best for the last tenth of the training documents.
    """
    cut = max(1, len(rows) // 10)
    apart = [token for row in rows[-cut:] for token in row]
    short, whole = Counts(rows[:-cut], vocabulary), Counts(rows, vocabulary)
    discounts = tuned_discounts(short, apart)
    weights = tuned_weights(short, apart)
    found = {
        f"Kneser–Ney trigrams, discounts {discounts}": kneser_ney(whole, tested, count, discounts),
        f"Jelinek–Mercer trigrams, weights {tuple(round(one, 2) for one in weights)}": jelinek_mercer(
            whole, tested, count, weights
        ),
    }
    best = min(found, key=lambda name: found[name])
    return best, found[best]


@dataclass(frozen=True)
class Trigrams:
    """Interpolated Kneser–Ney trigrams with the discounts that serve best for the last tenth of the rows."""

    counts: "Counts"
    discounts: Sequence[float]

    @classmethod
    def of(cls, rows: Rows, vocabulary: int) -> Self:
        """Count the rows of a vocabulary of so many tokens. Discounts of a single row are the usual ones."""
        cut = max(1, len(rows) // 10)
        apart = [token for row in rows[-cut:] for token in row]
        usual = len(rows) < 2
        discounts = (0.75, 0.75, 0.75) if usual else tuned_discounts(Counts(rows[:-cut], vocabulary), apart)
        return cls(Counts(rows, vocabulary), discounts)

    def log_likelihood(self, ids: Sequence[int]) -> float:
        """Return how likely the ids after the first one are, in nats, all together."""
        return -kneser_ney(self.counts, ids, len(ids) - 1, self.discounts) * (len(ids) - 1) if len(ids) > 1 else 0.0


class Counts:
    """How often tokens, pairs and triples occur, and after how many different ones."""

    def __init__(self, rows: Rows, vocabulary: int) -> None:
        ids = [token for row in rows for token in row]
        self.size = vocabulary
        self.total = len(ids)
        self.one, self.two = Counter(ids), Counter(pairwise(ids))
        self.three = Counter(zip(ids, ids[1:], ids[2:], strict=False))
        self.before = Counter(pair[1] for pair in self.two)  # different tokens before a token
        self.before_pair = Counter(triple[1:] for triple in self.three)  # … before a pair
        self.within = Counter(triple[1] for triple in self.three)  # … around a token
        self.after = Counter(pair[0] for pair in self.before_pair)  # different tokens that follow, as continuations
        self.after_pair = Counter(triple[:2] for triple in self.three)
        self.histories = Counter(pairwise(ids[:-1]))
        self.middles: Counter[int] = Counter()
        for pair, number in self.before_pair.items():
            self.middles[pair[0]] += number


def kneser_ney(counts: Counts, tested: Sequence[int], count: int, discounts: Sequence[float]) -> float:
    """Return the loss of interpolated Kneser–Ney smoothing (Chen and Goodman 1999) with a discount for each order."""
    first, second, third = discounts
    bigrams, distinct = len(counts.two), len(counts.before)
    total = 0.0
    for place in range(1, count + 1):
        v, w = tested[place - 1], tested[place]
        u = tested[place - 2] if place > 1 else -1
        p = max(counts.before[w] - first, 0) / bigrams + first * distinct / bigrams / counts.size
        if middles := counts.middles[v]:
            p = max(counts.before_pair[v, w] - second, 0) / middles + second * counts.after[v] / middles * p
        if history := counts.histories[u, v]:
            p = max(counts.three[u, v, w] - third, 0) / history + third * counts.after_pair[u, v] / history * p
        total -= math.log(p)
    return total / count


def jelinek_mercer(counts: Counts, tested: Sequence[int], count: int, weights: Sequence[float]) -> float:
    """Return the loss of a fixed mixture of all orders."""
    parts = (_orders(counts, tested, place) for place in range(1, count + 1))
    return -sum(math.log(sum(w * p for w, p in zip(weights, each, strict=True))) for each in parts) / count


def tuned_discounts(counts: Counts, tested: Sequence[int]) -> tuple[float, float, float]:
    """Return the discounts that suit texts best, each found with the others as they are, twice over."""
    found = [0.75] * 3
    for order in (2, 1, 0) * 2:
        tried = [[*found[:order], discount, *found[order + 1 :]] for discount in (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)]
        found = min(tried, key=lambda each: kneser_ney(counts, tested, len(tested) - 1, each))
    return found[0], found[1], found[2]


def tuned_weights(counts: Counts, tested: Sequence[int]) -> list[float]:
    """Return the weights of the mixture that suit texts best, by expectation–maximisation."""
    weights = [0.25] * 4
    rows = [_orders(counts, tested, place) for place in range(1, len(tested))]
    for _ in range(15):
        shares = [0.0] * 4
        for each in rows:
            whole = sum(w * p for w, p in zip(weights, each, strict=True))
            for order in range(4):
                shares[order] += weights[order] * each[order] / whole
        weights = [share / len(rows) for share in shares]
    return weights


def _orders(counts: Counts, tested: Sequence[int], place: int) -> tuple[float, float, float, float]:
    v, w = tested[place - 1], tested[place]
    u = tested[place - 2] if place > 1 else -1
    one, pair = counts.one[v], counts.two[u, v]
    # Of a history that was never seen, the next shorter one tells.
    first = counts.one[w] / counts.total
    second = counts.two[v, w] / one if one else first
    third = counts.three[u, v, w] / pair if pair else second
    return 1 / counts.size, first, second, third

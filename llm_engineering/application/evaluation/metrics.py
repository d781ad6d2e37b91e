"""Retrieval metrics over ranks. A rank counts from 1; 0 means not found.

Definitions as in TREC's question answering track: Voorhees, "The TREC-8 Question Answering Track Report", 1999.
"""

from collections.abc import Collection, Iterable, Sequence


def rank_of_first(found: Iterable[str], relevant: Collection[str], k: int) -> int:
    """Return the rank of the first relevant document among the first k distinct ones, or 0.

    >>> rank_of_first(["a", "a", "b", "c"], {"b"}, 2)
    2
    >>> rank_of_first(["a", "b", "c"], {"c"}, 2)
    0
    """
    distinct = list(dict.fromkeys(found))[:k]
    return next((rank for rank, document in enumerate(distinct, start=1) if document in relevant), 0)


def hit_rate(ranks: Sequence[int]) -> float:
    """Return the share of questions that were answered; 0 for no questions.

    >>> hit_rate([1, 3, 0, 2])
    0.75
    """
    return sum(1 for rank in ranks if rank) / len(ranks) if ranks else 0.0


def mean_reciprocal_rank(ranks: Sequence[int]) -> float:
    """Return the mean of 1/rank, where a question without an answer adds 0; 0 for no questions.

    >>> mean_reciprocal_rank([1, 2, 0, 2])
    0.5
    """
    return sum(1 / rank for rank in ranks if rank) / len(ranks) if ranks else 0.0

"""What the methods found for many questions, as arrays, so that a fusion of all of them takes milliseconds.

    table = Rankings.of(found)            # once: the dense and the sparse list of each question
    hits = table.found(fusion, pool, k)   # for each setting: which of the first k documents are relevant

The arrays say the same as `Fusion.fuse` and `hits_of`; a property test compares them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from llm_engineering.application.retrieval.fusion import DENSE, SPARSE, Convex, Fusion, Interpolation, Rankings, ZScore

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]

# Passages of one document count once, so more hits than documents are looked at, as in an evaluation.
PASSAGES_PER_DOCUMENT = 4
ABSENT = 1 << 30


@dataclass(frozen=True)
class Asked:
    """A question of the training split: the ids of the documents that answer it, and what each method found."""

    id: str
    relevant: frozenset[str]
    rankings: Rankings


@dataclass(frozen=True)
class Method:
    """What one method found: score and rank (from 1) of each point, both (questions, points)."""

    scores: Floats
    ranks: Integers

    def within(self, pool: int) -> npt.NDArray[np.bool_]:
        """Return which points are among the first of a method."""
        return self.ranks <= pool

    def take(self, rows: Integers) -> "Method":
        """Return the questions of these rows."""
        return Method(self.scores[rows], self.ranks[rows])


@dataclass(frozen=True)
class RankedQuestions:
    """The questions with all points that a method found for them, padded to the same number.

    `documents` numbers the documents of each question (questions, points), -1 where there is no point; points are in
    the order of their ids, which decides between equal scores. `relevant` says whether a point's document answers;
    `known` is how many documents do.
    """

    ids: tuple[str, ...]
    documents: Integers
    relevant: npt.NDArray[np.bool_]
    known: Floats
    dense: Method
    sparse: Method

    @classmethod
    def of(cls, asked: Sequence[Asked]) -> Self:
        """Arrange what was found."""
        points = [sorted({p.id for ranking in one.rankings.values() for p in ranking}) for one in asked]
        shape = (len(asked), max((len(row) for row in points), default=0) or 1)
        documents = np.full(shape, -1, dtype=np.intp)
        relevant = np.zeros(shape, dtype=bool)
        methods = {name: (np.zeros(shape), np.full(shape, ABSENT, dtype=np.intp)) for name in (DENSE, SPARSE)}
        for row, (one, ids) in enumerate(zip(asked, points, strict=True)):
            column, numbers = {key: position for position, key in enumerate(ids)}, dict[str, int]()
            for method, ranking in one.rankings.items():
                for rank, point in enumerate(ranking, start=1):
                    at, document = (row, column[point.id]), str(point.payload.get("document_id", ""))
                    methods[method][0][at], methods[method][1][at] = point.score, rank
                    documents[at] = numbers.setdefault(document, len(numbers))
                    relevant[at] = document in one.relevant
        known = np.array([len(one.relevant) for one in asked], dtype=np.float64)
        return cls(
            tuple(one.id for one in asked),
            documents,
            relevant,
            known,
            Method(*methods[DENSE]),
            Method(*methods[SPARSE]),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Integers) -> "RankedQuestions":
        """Return the questions of these rows."""
        return RankedQuestions(
            tuple(self.ids[row] for row in rows), self.documents[rows], self.relevant[rows], self.known[rows],
            self.dense.take(rows), self.sparse.take(rows),
        )  # fmt: skip

    def found(self, fusion: Fusion, pool: int, k: int) -> Floats:
        """Return whether the document at each of the first k ranks is relevant (questions, k)."""
        scores = self._scores(fusion, pool)
        depth = min(PASSAGES_PER_DOCUMENT * k, scores.shape[1])
        best = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
        rows = np.arange(len(self))[:, None]
        documents, there = self.documents[rows, best], np.isfinite(scores[rows, best])
        earlier = np.tril(np.ones((depth, depth), dtype=bool), k=-1)
        again = ((documents[:, :, None] == documents[:, None, :]) & earlier).any(axis=2)
        first = there & ~again
        rank = np.cumsum(first, axis=1)  # (questions, depth): rank of the document of each point
        result = np.zeros((len(self), k))
        row, column = np.nonzero(first & (rank <= k) & self.relevant[rows, best])
        result[row, rank[row, column] - 1] = 1.0
        return result

    def _scores(self, fusion: Fusion, pool: int) -> Floats:
        """Return the fused score of each point, -inf where no method found it within the pool."""
        dense, sparse = self.dense.within(pool), self.sparse.within(pool)
        if isinstance(fusion, Interpolation):
            fused = _floored(self.dense.scores, dense, fusion.missing)
            fused = fused + fusion.lexical * _floored(self.sparse.scores, sparse, fusion.missing)
        elif isinstance(fusion, ZScore):
            fused = fusion.weight * _floored(_standardised(self.dense.scores, dense), dense, 1.0)
            fused = fused + (1 - fusion.weight) * _floored(_standardised(self.sparse.scores, sparse), sparse, 1.0)
        elif isinstance(fusion, Convex):
            fused = fusion.weight * np.where(dense, _normalised(self.dense.scores, dense), 0.0)
            fused = fused + (1 - fusion.weight) * np.where(sparse, _normalised(self.sparse.scores, sparse), 0.0)
        else:
            fused = np.where(dense, fusion.dense_weight / (fusion.k + self.dense.ranks), 0.0)
            fused = fused + np.where(sparse, fusion.sparse_weight / (fusion.k + self.sparse.ranks), 0.0)
        result: Floats = np.where(dense | sparse, fused, -np.inf)
        return result


def _floored(scores: Floats, there: npt.NDArray[np.bool_], missing: float) -> Floats:
    """Return scores, and below the worst of its question where a point was not found."""
    worst = np.where(there, scores, np.inf).min(axis=1, keepdims=True)
    worst = np.where(np.isfinite(worst), worst, 0.0)
    return np.where(there, scores, worst - (1.0 - missing) * np.abs(worst))


def _standardised(scores: Floats, there: npt.NDArray[np.bool_]) -> Floats:
    count = np.maximum(there.sum(axis=1, keepdims=True), 1)
    mean = np.where(there, scores, 0.0).sum(axis=1, keepdims=True) / count
    deviation = np.sqrt((np.where(there, scores - mean, 0.0) ** 2).sum(axis=1, keepdims=True) / count)
    result: Floats = np.where(deviation > 0, (scores - mean) / np.where(deviation > 0, deviation, 1.0), 0.0)
    return result


def _normalised(scores: Floats, there: npt.NDArray[np.bool_]) -> Floats:
    low = np.where(there, scores, np.inf).min(axis=1, keepdims=True)
    high = np.where(there, scores, -np.inf).max(axis=1, keepdims=True)
    wide = np.isfinite(low) & (high > low)
    spread = np.where(wide, high, 1.0) - np.where(wide, low, 0.0)
    return np.where(wide, (scores - np.where(wide, low, 0.0)) / spread, 1.0)

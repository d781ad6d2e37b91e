"""Maximal marginal relevance: of passages that say the same, one is enough (Carbonell and Goldstein 1998)."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from llm_engineering.application.text.words import words
from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.queries import Hit
from llm_engineering.domain.value import Value

Vectors = Callable[[Collection[str]], Mapping[str, Vector]]
Similarities = NDArray[np.float64]


class Mmr(Value):
    """Choose each next hit by its score less its likeness to those that were chosen before it."""

    weight: float = Field(0.7, ge=0, le=1, description="1 = relevance alone, 0 = difference alone (lambda)")
    by: Literal["vectors", "words"] = Field("vectors", description="likeness: cosine of the vectors, or common words")
    candidates: int = Field(20, ge=2, le=1_000, description="hits to choose from")

    def select(self, hits: Sequence[Hit], wanted: int, vectors: Vectors) -> list[Hit]:
        """Return the wanted hits in the order in which they were chosen; each keeps its score."""
        pool = list(hits[: max(self.candidates, wanted)])
        if len(pool) < 2:
            return pool
        alike = _cosines(pool, vectors) if self.by == "vectors" else _overlaps(pool)
        scores = np.array([hit.score for hit in pool])
        low, high = scores.min(), scores.max()
        relevance = (scores - low) / (high - low) if high > low else np.ones(len(pool))
        chosen = [0]  # the best hit always comes first
        nearest = alike[0].copy()
        nearest[0] = np.inf
        while len(chosen) < min(wanted, len(pool)):
            best = int(np.argmax(self.weight * relevance - (1 - self.weight) * nearest))
            if best in chosen:  # with weight 1 an infinite likeness counts nothing
                best = next(place for place in np.argsort(-relevance, kind="stable").tolist() if place not in chosen)
            chosen.append(best)
            nearest = np.maximum(nearest, alike[best])
            nearest[best] = np.inf
        return [pool[place] for place in chosen]


def _cosines(hits: Sequence[Hit], vectors: Vectors) -> Similarities:
    """Return the cosines of all pairs, (hits, hits); a hit without a vector is like no other."""
    known = vectors([hit.chunk_id for hit in hits])
    size = max((len(vector) for vector in known.values()), default=1)
    matrix = np.zeros((len(hits), size))
    for row, hit in enumerate(hits):
        if hit.chunk_id in known:
            matrix[row] = np.frombuffer(known[hit.chunk_id], dtype=np.float32)
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    matrix = matrix / np.where(lengths > 0, lengths, 1.0)
    return np.asarray(matrix @ matrix.T)


def _overlaps(hits: Sequence[Hit]) -> Similarities:
    """Return the shares of common words of all pairs (Jaccard), (hits, hits)."""
    sets = [{word.casefold() for word in words(hit.text)} for hit in hits]
    return np.array([[len(one & two) / (len(one | two) or 1) for two in sets] for one in sets])

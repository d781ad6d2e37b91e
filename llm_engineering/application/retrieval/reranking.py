"""Reranking: a model reads the question and each of the best candidates together, and orders them anew."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

from llm_engineering.application.retrieval.fusion import normalised
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.ports import Reranker
from llm_engineering.domain.queries import Hit


@dataclass(frozen=True)
class Reranking:
    """A reranker, how many candidates it reads, and its share of the score; the rest is that of the search."""

    reranker: Reranker
    candidates: int = 30
    weight: float = 1.0

    def rerank(self, query: str, hits: Sequence[Hit], wanted: int) -> list[Hit]:
        """Return the best candidates, best first; equal scores in the order they came in.

        Raises:
            BackendError: the model failed, or gave something else than a number for each.
        """
        pool = hits[: max(self.candidates, wanted)]
        if not pool:
            return []
        raw = [float(score) for score in self.reranker.scores(query, [embedded_text(hit) for hit in pool])]
        if len(raw) != len(pool) or not all(map(isfinite, raw)):
            raise BackendError(
                f"reranker {self.reranker.name!r} gave {len(raw)} scores for {len(pool)} passages, or one that is no "
                "number"
            )
        before = normalised([hit.score for hit in pool])
        mixed = [self.weight * new + (1 - self.weight) * old for new, old in zip(normalised(raw), before, strict=True)]
        scored = [
            replace(hit, score=score, scores={**hit.scores, "rerank": own})
            for hit, score, own in zip(pool, mixed, raw, strict=True)
        ]
        return sorted(scored, key=lambda hit: -hit.score)


def embedded_text(hit: Hit) -> str:
    """Return what the embedder saw of a passage: its context and its text."""
    return f"{hit.context}\n{hit.text}" if hit.context else hit.text

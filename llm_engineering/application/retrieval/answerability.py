"""Answerability: whether what was found answers the question at all."""

from collections.abc import Sequence
from math import exp

from pydantic import Field

from llm_engineering.application.retrieval.fusion import DENSE, SPARSE, Rankings
from llm_engineering.domain.queries import Hit
from llm_engineering.domain.value import Value


class Answerability(Value):
    """Judge by the best cosine that a passage has, or without dense search by the best score of words."""

    threshold: float = Field(0.5, ge=0, le=1, description="confidence below which the sources do not say")
    cosine: float = Field(0.4, ge=-1, le=1, description="best cosine at which the confidence is one half")
    words: float = Field(8.0, gt=0, description="best BM25 score at which it is one half, in sparse mode")

    def judge(self, query: str, rankings: Rankings, hits: Sequence[Hit]) -> tuple[bool, float]:  # noqa: ARG002 - for others
        """Return whether the question is answerable, and with which confidence (0 … 1). Without a hit it is not."""
        if not hits:
            return False, 0.0
        if rankings.get(DENSE):
            distance = 12.0 * (max(point.score for point in rankings[DENSE]) - self.cosine)
        else:
            distance = max((point.score for point in rankings.get(SPARSE, ())), default=0.0) / self.words - 1.0
        confidence = 1.0 / (1.0 + exp(-distance))
        return confidence >= self.threshold, confidence

"""Retrieval: from a question to passages, by meaning, by words, or both."""

from llm_engineering.application.retrieval.answerability import Answerability
from llm_engineering.application.retrieval.filters import payload_filter
from llm_engineering.application.retrieval.fusion import Convex, Fusion, Interpolation, Rrf, ZScore
from llm_engineering.application.retrieval.retrieve import Retrieval, retrieve, retrieve_all

__all__ = [
    "Answerability",
    "Convex",
    "Fusion",
    "Interpolation",
    "Retrieval",
    "Rrf",
    "ZScore",
    "payload_filter",
    "retrieve",
    "retrieve_all",
]

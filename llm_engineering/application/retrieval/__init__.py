"""Retrieval: from a question to passages, by meaning, by words, or both."""

from llm_engineering.application.retrieval.asking import Ask
from llm_engineering.application.retrieval.filter_text import parse_filters
from llm_engineering.application.retrieval.filters import allowed, payload_filter
from llm_engineering.application.retrieval.fusion import Convex, Fusion, Rrf
from llm_engineering.application.retrieval.reranking import Reranking
from llm_engineering.application.retrieval.retrieve import Means, retrieve, retrieve_all
from llm_engineering.application.retrieval.settings import Retrieval

__all__ = [
    "Ask",
    "Convex",
    "Fusion",
    "Means",
    "Reranking",
    "Retrieval",
    "Rrf",
    "allowed",
    "parse_filters",
    "payload_filter",
    "retrieve",
    "retrieve_all",
]

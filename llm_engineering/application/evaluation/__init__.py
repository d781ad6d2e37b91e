"""Evaluation of retrieval: which documents answer a question, at which rank they are found, and whether that is enough.

`metrics` is pure arithmetic, `relevance` finds the documents that questions name, `gate` measures and judges.
"""

from llm_engineering.application.evaluation.gate import Searching, evaluate, judge
from llm_engineering.application.evaluation.metrics import hit_rate, mean_reciprocal_rank, rank_of_first
from llm_engineering.application.evaluation.relevance import relevant_documents

__all__ = [
    "Searching",
    "evaluate",
    "hit_rate",
    "judge",
    "mean_reciprocal_rank",
    "rank_of_first",
    "relevant_documents",
]

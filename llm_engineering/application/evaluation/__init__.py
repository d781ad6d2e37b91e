"""Evaluation of retrieval: which documents answer a question, at which rank they are found, and whether that is enough.

`measures`, `intervals`, `paired` are pure arithmetic over the outcomes of questions: figures, how sure they are, and
whether two searches differ. `metrics` counts ranks, `relevance` finds the documents that questions name, `gate`
measures and judges index versions before readers see them.
"""

from llm_engineering.application.evaluation.gate import Searching, evaluate, judge
from llm_engineering.application.evaluation.measures import measure
from llm_engineering.application.evaluation.metrics import hit_rate, mean_reciprocal_rank, rank_of_first
from llm_engineering.application.evaluation.paired import compare, deviation_of, questions_needed
from llm_engineering.application.evaluation.relevance import relevant_documents

__all__ = [
    "Searching",
    "compare",
    "deviation_of",
    "evaluate",
    "hit_rate",
    "judge",
    "mean_reciprocal_rank",
    "measure",
    "questions_needed",
    "rank_of_first",
    "relevant_documents",
]

"""Where evaluations are kept."""

from llm_engineering.infrastructure.evaluations.files import EvaluationFiles

__all__ = ["EvaluationFiles"]

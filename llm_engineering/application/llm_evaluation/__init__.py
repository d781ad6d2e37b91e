"""Language models compared by what they answer, without and with a language model as the judge."""

from llm_engineering.application.llm_evaluation.settings import JudgeSettings, LlmEvaluationSettings

__all__ = ["JudgeSettings", "LlmEvaluationSettings"]

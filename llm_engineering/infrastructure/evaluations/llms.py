"""Evaluations of language models, with each score of each answer. Their reports quote rows and answers."""

from collections.abc import Sequence
from pathlib import Path

from llm_engineering.domain.llm_evaluation import ContentScore, LlmEvaluationResult
from llm_engineering.infrastructure.evaluations.kept import KeptEvaluations


class LlmEvaluationFiles(KeptEvaluations[LlmEvaluationResult, ContentScore]):
    """Evaluations of language models of a home, with the scores of each answer."""

    FOLDER = "llm-evaluations"
    ROWS = "scores"
    WHAT = "evaluation of language models"
    PIPELINE = "run-llm-evaluation-pipeline"

    def __init__(self, home: Path) -> None:
        super().__init__(home, LlmEvaluationResult, ContentScore)

    def write(self, result: LlmEvaluationResult, scores: Sequence[ContentScore], page: str) -> LlmEvaluationResult:
        """Keep a result without texts, its scores and its report, and return it with the place of the report; one of
        the same id is replaced.

        Raises:
            BackendError: it cannot be written.
        """
        result = result.model_copy(update={"page": str(self.keep_page(result.id, page))})
        self._keep(result.model_copy(update={"shown": ()}), scores)
        return result

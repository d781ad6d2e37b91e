"""Evaluations of retrieval, with the outcome of each question."""

from collections.abc import Sequence
from pathlib import Path

from llm_engineering.domain.evaluation import Evaluation, QuestionOutcome
from llm_engineering.infrastructure.evaluations.kept import KeptEvaluations


class EvaluationFiles(KeptEvaluations[Evaluation, QuestionOutcome]):
    """The port `EvaluationStore` over a home."""

    FOLDER = "evaluations"
    ROWS = "outcomes"
    WHAT = "evaluation"
    PIPELINE = "run-evaluation-pipeline"

    def __init__(self, home: Path) -> None:
        super().__init__(home, Evaluation, QuestionOutcome)

    def write(self, evaluation: Evaluation, outcomes: Sequence[QuestionOutcome]) -> None:
        """Keep an evaluation; one of the same id is replaced.

        Raises:
            BackendError: it cannot be written.
        """
        self._keep(evaluation, outcomes)

"""Steps of the evaluation. They look at what the index is now: none is cached."""

from typing import Annotated, Any

from zenml import log_metadata, step

from llm_engineering import stages
from llm_engineering.config import EvaluationConfig
from llm_engineering.domain.evaluation import Evaluation
from llm_engineering.domain.evaluation_results import EvaluationResult
from llm_engineering.infrastructure.parquet import ParquetDataset
from steps.materializers import DatasetMaterializer, EvaluationMaterializer, ValueMaterializer
from steps.tracking import track

Rows = ParquetDataset[Any]


@step(enable_cache=False, output_materializers=DatasetMaterializer)
def read_questions(config: EvaluationConfig, run: int) -> Annotated[Rows, "questions"]:
    """Read the questions, and find the evaluation to compare with."""
    return stages.read_questions(config, run)


@step(enable_cache=False, output_materializers={"evaluation": ValueMaterializer, "outcomes": DatasetMaterializer})
def ask_index(
    config: EvaluationConfig, questions: Rows, run: int, version: str = ""
) -> tuple[Annotated[Evaluation, "evaluation"], Annotated[Rows, "outcomes"]]:
    """Ask an index version all questions."""
    evaluation, outcomes = stages.ask_index(config, questions, run, version)
    return evaluation, outcomes  # as a tuple, because ZenML reads the number of outputs off this line


@step(enable_cache=False, output_materializers=EvaluationMaterializer)
def compare_evaluations(
    config: EvaluationConfig, evaluation: Evaluation, questions: Rows, run: int, before: Evaluation | None = None
) -> Annotated[EvaluationResult, "result"]:
    """Compare with the other evaluation, list the questions to look at, and show the figures with the run."""
    result = stages.compare_evaluations(config, evaluation, questions, run, before)
    log_metadata({"evaluation": result.facts()})
    figures = {name: figure.value for name, figure in evaluation.slices[0].metrics.items()}
    track({"evaluation": config.evaluation.model_dump(mode="json"), "subject": evaluation.subject}, None, figures)
    return result

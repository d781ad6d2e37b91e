"""Steps from a table of questions to a table of answers. They ask models and write files: none is cached."""

from typing import Annotated, Any

from zenml import step

from llm_engineering import stages
from llm_engineering.config import BatchInferenceConfig
from llm_engineering.domain.batches import BatchPlan
from llm_engineering.domain.reports import BatchReport
from llm_engineering.infrastructure.parquet import ParquetDataset
from steps.materializers import DatasetMaterializer, ValueMaterializer

Rows = ParquetDataset[Any]


@step(enable_cache=False, output_materializers=ValueMaterializer)
def plan_questions(config: BatchInferenceConfig, run: int) -> Annotated[BatchPlan, "questions"]:
    """Read the table of questions, and find out which of them are answered already."""
    return stages.plan_questions(config, run)


@step(enable_cache=False, output_materializers={"batch": ValueMaterializer, "answers": DatasetMaterializer})
def answer_questions(
    config: BatchInferenceConfig, plan: BatchPlan, run: int
) -> tuple[Annotated[BatchReport, "batch"], Annotated[Rows, "answers"]]:
    """Ask the assistant what is not answered yet."""
    batch, answers = stages.answer_questions(config, plan, run)
    return batch, answers  # as a tuple, because ZenML reads the number of outputs off this line


@step(enable_cache=False)
def write_answers(config: BatchInferenceConfig, plan: BatchPlan, answers: Rows) -> Annotated[str, "output"]:
    """Write a row for each row of the table of questions."""
    return stages.write_answers(config, plan, answers)

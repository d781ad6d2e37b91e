"""Steps from an index to a data set. They ask models and write files: none is cached."""

from typing import Annotated, Any

from zenml import step

from llm_engineering import stages
from llm_engineering.config import DatasetConfig
from llm_engineering.domain.datasets import DatasetCard, DatasetMining, DatasetPlan
from llm_engineering.domain.reports import DatasetReport
from llm_engineering.infrastructure.parquet import ParquetDataset
from steps.materializers import DatasetMaterializer, ValueMaterializer

Rows = ParquetDataset[Any]


@step(enable_cache=False, output_materializers={"plan": ValueMaterializer, "questions": DatasetMaterializer})
def collect_questions(
    config: DatasetConfig, run: int
) -> tuple[Annotated[DatasetPlan, "plan"], Annotated[Rows, "questions"]]:
    """Collect questions with the documents that answer them."""
    plan, asked = stages.collect_questions(config, run)
    return plan, asked  # as a tuple, because ZenML reads the number of outputs off this line


@step(enable_cache=False, output_materializers={"mining": ValueMaterializer, "pairs": DatasetMaterializer})
def mine_pairs(
    config: DatasetConfig, plan: DatasetPlan, asked: Rows
) -> tuple[Annotated[DatasetMining, "mining"], Annotated[Rows, "pairs"]]:
    """Give each question its passages, and divide all into splits."""
    mining, pairs = stages.mine_pairs(config, plan, asked)
    return mining, pairs


@step(enable_cache=False, output_materializers=ValueMaterializer)
def keep_dataset(
    config: DatasetConfig, plan: DatasetPlan, mining: DatasetMining, pairs: Rows
) -> tuple[Annotated[DatasetCard, "card"], Annotated[DatasetReport, "account"]]:
    """Keep the rows as a version, with their card."""
    card, account = stages.keep_dataset(config, plan, mining, pairs)
    return card, account

"""Steps from an index to a data set for language models. They ask models and write files: none is cached."""

from typing import Annotated, Any

from zenml import step

from llm_engineering import stages
from llm_engineering.config import InstructDatasetConfig, PreferenceDatasetConfig
from llm_engineering.domain.datasets import DatasetCard, DatasetPlan, DatasetSifting
from llm_engineering.domain.reports import DatasetReport
from llm_engineering.infrastructure.parquet import ParquetDataset
from steps.materializers import DatasetMaterializer, ValueMaterializer

Rows = ParquetDataset[Any]


@step(enable_cache=False, output_materializers={"plan": ValueMaterializer, "drafts": DatasetMaterializer})
def collect_instructions(
    config: InstructDatasetConfig, run: int
) -> tuple[Annotated[DatasetPlan, "plan"], Annotated[Rows, "drafts"]]:
    """Collect instructions with answers, from structure and from models."""
    plan, drafts = stages.collect_drafts(config, run)
    return plan, drafts  # as a tuple, because ZenML reads the number of outputs off this line


@step(enable_cache=False, output_materializers={"sifting": ValueMaterializer, "rows": DatasetMaterializer})
def sift_instructions(
    config: InstructDatasetConfig, plan: DatasetPlan, drafts: Rows
) -> tuple[Annotated[DatasetSifting, "sifting"], Annotated[Rows, "rows"]]:
    """Let the gates take out what does not pass, and divide the rest into splits."""
    sifting, rows = stages.sift_drafts(config, plan, drafts)
    return sifting, rows


@step(enable_cache=False, output_materializers=ValueMaterializer)
def keep_instructions(
    config: InstructDatasetConfig, plan: DatasetPlan, sifting: DatasetSifting, rows: Rows
) -> tuple[Annotated[DatasetCard, "card"], Annotated[DatasetReport, "account"]]:
    """Keep the rows as a version, with their card."""
    card, account = stages.keep_rows(config, plan, sifting, rows)
    return card, account


@step(enable_cache=False, output_materializers={"plan": ValueMaterializer, "drafts": DatasetMaterializer})
def collect_preferences(
    config: PreferenceDatasetConfig, run: int
) -> tuple[Annotated[DatasetPlan, "plan"], Annotated[Rows, "drafts"]]:
    """Collect instructions with better and worse answers, from structure and from models."""
    plan, drafts = stages.collect_drafts(config, run)
    return plan, drafts


@step(enable_cache=False, output_materializers={"sifting": ValueMaterializer, "rows": DatasetMaterializer})
def sift_preferences(
    config: PreferenceDatasetConfig, plan: DatasetPlan, drafts: Rows
) -> tuple[Annotated[DatasetSifting, "sifting"], Annotated[Rows, "rows"]]:
    """Let the gates take out what does not pass, and divide the rest into splits."""
    sifting, rows = stages.sift_drafts(config, plan, drafts)
    return sifting, rows


@step(enable_cache=False, output_materializers=ValueMaterializer)
def keep_preferences(
    config: PreferenceDatasetConfig, plan: DatasetPlan, sifting: DatasetSifting, rows: Rows
) -> tuple[Annotated[DatasetCard, "card"], Annotated[DatasetReport, "account"]]:
    """Keep the rows as a version, with their card."""
    card, account = stages.keep_rows(config, plan, sifting, rows)
    return card, account

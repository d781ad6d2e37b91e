"""Steps of a promotion. They read and switch stores: none is cached."""

from typing import Annotated, Any

from zenml import step

from llm_engineering import stages
from llm_engineering.config import PromotionConfig
from llm_engineering.domain.index_reports import VerifyReport
from llm_engineering.domain.indexes import ModelCard, Plan
from llm_engineering.domain.models import RegisteredModel
from llm_engineering.domain.promotions import PromotionEvidence, PromotionReport, PromotionVerdict
from llm_engineering.infrastructure.parquet import ParquetDataset
from steps.materializers import DatasetMaterializer, ValueMaterializer

Rows = ParquetDataset[Any]


@step(enable_cache=False, output_materializers=ValueMaterializer)
def find_candidate(config: PromotionConfig, run: int) -> Annotated[RegisteredModel, "candidate"]:
    """Find the candidate, compare its files with their digests, and look whether its card is complete."""
    return stages.find_candidate(config, run)


@step(
    enable_cache=False,
    output_materializers={"plan": ValueMaterializer, "model": ValueMaterializer, "documents": DatasetMaterializer},
)
def plan_index(
    config: PromotionConfig, run: int
) -> tuple[Annotated[Plan, "plan"], Annotated[ModelCard, "model"], Annotated[Rows, "documents"]]:
    """Plan the candidate's index version, beside the one that readers see."""
    plan, documents = stages.plan_index(config, run)
    return plan, plan.manifest.model, documents


@step(enable_cache=False, output_materializers=ValueMaterializer)
def evaluate_candidate(
    config: PromotionConfig,
    candidate: RegisteredModel,
    run: int,
    plan: Plan | None = None,
    verified: VerifyReport | None = None,  # noqa: ARG001 - an input, so that only a verified version is asked
) -> Annotated[PromotionEvidence, "evidence"]:
    """Ask the held-out questions of what readers see, and of the candidate."""
    return stages.evaluate_candidate(config, candidate, plan, run)


@step(enable_cache=False, output_materializers=ValueMaterializer)
def judge_candidate(
    config: PromotionConfig,
    candidate: RegisteredModel,
    evidence: PromotionEvidence,
    run: int,
    plan: Plan | None = None,
) -> Annotated[PromotionVerdict, "verdict"]:
    """Judge, and keep the verdict with its numbers."""
    return stages.judge_candidate(config, candidate, evidence, plan, run)


@step(enable_cache=False, output_materializers=ValueMaterializer)
def promote(
    config: PromotionConfig, candidate: RegisteredModel, verdict: PromotionVerdict, run: int, plan: Plan | None = None
) -> Annotated[PromotionReport, "promotion"]:
    """Switch model and index together, if the verdict allows it."""
    return stages.promote(config, candidate, verdict, plan, run)

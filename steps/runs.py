"""The first and the last steps of every pipeline: open a run, report on it, judge it."""

from typing import Annotated, Any

from zenml import step

from llm_engineering import stages
from llm_engineering.application.reporting import Made
from llm_engineering.config import FeatureEngineeringConfig, Limits
from llm_engineering.domain.evaluation import EvaluationReport
from llm_engineering.domain.evaluation_results import EvaluationResult
from llm_engineering.domain.index_reports import VerifyReport
from llm_engineering.domain.indexes import Plan
from llm_engineering.domain.llm_evaluation import LlmEvaluationResult
from llm_engineering.domain.promotions import PromotionReport
from llm_engineering.domain.reports import BatchReport, DatasetReport, IngestReport, LoadReport, Report
from llm_engineering.domain.training import TrainingReport
from steps.materializers import ReportMaterializer


@step(enable_cache=False)
def open_run(pipeline: str, config: dict[str, Any], holds: list[str]) -> Annotated[int, "run"]:
    """Open a run in the warehouse, with the resolved configuration; it has what it holds for itself."""
    return stages.open_run(pipeline, config, holds)


@step(enable_cache=False, output_materializers=ReportMaterializer)
def report(
    pipeline: str,
    run: int,
    crawled: IngestReport | None = None,
    ingested: IngestReport | None = None,
    plan: Plan | None = None,
    loaded: LoadReport | None = None,
    verified: VerifyReport | None = None,
    evaluated: EvaluationReport | None = None,
    index_version: str | None = None,  # noqa: ARG001 - an input, so that the report waits for the activation
    batch: BatchReport | None = None,
    training: TrainingReport | None = None,
    promotion: PromotionReport | None = None,
    output: str | None = None,  # noqa: ARG001 - an input, so that the report waits for the answers to be written
    measured: EvaluationResult | None = None,
    dataset: DatasetReport | None = None,
    llms: LlmEvaluationResult | None = None,
    config: FeatureEngineeringConfig | None = None,
) -> Annotated[Report, "report"]:
    """Add up what the steps reported, and close the run."""
    books = [report for report in (crawled, ingested) if report is not None]
    made: Made = {
        "batch": batch, "dataset": dataset, "training": training, "promotion": promotion, "measured": measured,
        "llms": llms,
    }  # fmt: skip
    return stages.report(pipeline, run, books, plan, loaded, verified, evaluated, config, **made)


@step(enable_cache=False)
def check(report: Report, limits: Limits) -> None:
    """Fail the run if more went wrong than the configuration allows."""
    stages.check(report, limits)

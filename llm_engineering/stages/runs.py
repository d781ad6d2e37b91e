"""Open a run, and close it: with its report, or as failed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Unpack

from llm_engineering.application import reporting
from llm_engineering.application.reporting import Made
from llm_engineering.bootstrap import Workspace
from llm_engineering.bootstrap.promoting import settle
from llm_engineering.config import Config, FeatureEngineeringConfig, Limits
from llm_engineering.domain import failpoints
from llm_engineering.domain.errors import BackendError, GateFailed
from llm_engineering.domain.evaluation import EvaluationReport
from llm_engineering.domain.index_reports import VerifyReport
from llm_engineering.domain.indexes import Plan
from llm_engineering.domain.reports import IngestReport, LoadReport, Report
from llm_engineering.domain.secrets import redacted
from llm_engineering.infrastructure.vector_stores.versioned import ServerSpec
from llm_engineering.stages.describing import with_page
from llm_engineering.stages.promotion import check_promotion


def open_run(pipeline: str, config: Mapping[str, object], holds: Sequence[str] = ()) -> int:
    """Open a run in the warehouse, with the resolved configuration less its secrets, and return its number.

    The run has what it `holds` for itself until `report` or `fail_run` closes it, or its process dies.

    Raises:
        BackendError: another living run holds one of these; the message says who.
    """
    workspace = Workspace()
    workspace.sweep()
    settle(workspace)
    with workspace.warehouse() as warehouse:
        run = warehouse.start_run(pipeline, redacted(config), holds)
        if run <= (last := workspace.last_run_of(holds)):
            # The warehouse is new, or an older copy than the index: a run of so low a number could not write to it.
            reason = f"run {last} wrote to the index before this warehouse began; a run of a higher number follows"
            warehouse.finish_run(
                run, "failed", reporting.died(pipeline, run, "open_run", "renumbered", reason).model_dump()
            )
            warehouse.pass_over_runs(last)
            run = warehouse.start_run(pipeline, redacted(config), holds)
        failpoints.reach("run.after_start")
    workspace.keep_alive(run)
    return run


@contextmanager
def run_of(pipeline: str, config: Mapping[str, object], holds: Sequence[str]) -> Iterator[int]:
    """Open a run for a block; close it as failed if the block ends in an error. Who ends well closes it himself."""
    run = open_run(pipeline, config, holds)
    try:
        yield run
    except BaseException as error:
        fail_run(pipeline, run, pipeline, type(error).__name__, str(error))
        raise


def refuse_if_held(holds: Sequence[str]) -> None:
    """Refuse at once what `open_run` would refuse later, before anything heavy is imported.

    Raises:
        BackendError: another living run holds one of these; the message says who.
    """
    with Workspace().warehouse(patience_seconds=0) as warehouse:
        if holder := warehouse.holder(holds):
            raise BackendError(f"{holder}; wait until it is done, or end that process", transient=True)


def refuse_if_away(config: Config) -> None:
    """Refuse at once what the first look at the vector store would refuse later, after sources were read.

    Raises:
        BackendError: the server that the configuration names does not answer.
        UsageError: its address, user or database is wrong.
    """
    load = getattr(config, "load", None)
    if load is None or not isinstance(load.store, ServerSpec):
        return
    store = load.store.hurried().open(Workspace().home, load.collection)
    try:
        store.active()
    finally:
        store.close()


def report(
    pipeline: str,
    run: int,
    ingested: Sequence[IngestReport] = (),
    plan: Plan | None = None,
    loaded: LoadReport | None = None,
    verified: VerifyReport | None = None,
    evaluated: EvaluationReport | None = None,
    config: FeatureEngineeringConfig | None = None,
    **made: Unpack[Made],
) -> Report:
    """Add up what the stages reported, and close the run with it.

    With the configuration of a feature pipeline, what the index holds is described, and shown on a page in the home.
    """
    with Workspace().warehouse() as warehouse:
        started = datetime.fromisoformat(str(warehouse.run_record(run)["started_at"]))
        seconds = (datetime.now(UTC) - started).total_seconds()
        result = reporting.add_up(pipeline, run, seconds, ingested, plan, loaded, verified, evaluated, **made)
        if config is not None and plan is not None:
            result = with_page(result, plan, config, warehouse)
        failpoints.reach("run.before_finish")
        Workspace().close_run(warehouse, run, "completed", result.model_dump(mode="json"))
        failpoints.reach("run.after_finish")
    return result


def check(report: Report, limits: Limits) -> None:
    """Fail the run if it has more failures or rejections than the configuration allows.

    Raises:
        GateFailed: it has; everything that could be indexed is indexed all the same.
    """
    try:
        reporting.check(report, limits.failures, limits.rejections)
        if report.promotion is not None:
            check_promotion(report.promotion)
    except GateFailed:
        _close_failed(report)
        raise


def fail_run(pipeline: str, run: int, step: str, reason: str, error: str) -> Report:
    """Close a run that died in a step, and return the report of that."""
    report = reporting.died(pipeline, run, step, reason, error)
    if run:
        _close_failed(report)
    return report


def _close_failed(report: Report) -> None:
    workspace = Workspace()
    with workspace.warehouse() as warehouse:
        workspace.close_run(warehouse, report.run, "failed", report.model_dump(mode="json"))

"""Promote and roll back as functions, for command lines and notebooks: one call each, a run each."""

from llm_engineering import stages
from llm_engineering.bootstrap import Workspace, open_registry
from llm_engineering.bootstrap.promoting import settle
from llm_engineering.domain.promotions import PromotionReport
from llm_engineering.domain.reports import Report

ROLLBACK = "models rollback"


def rollback(name: str) -> PromotionReport:
    """Put back into production what was there before, model and index version together.

    Raises:
        UsageError: there is no such model, nothing to go back to, or its files or its index are gone.
        BackendError: a run is at work on the model or its collection.
    """
    workspace = Workspace()
    settle(workspace)
    registry = open_registry(workspace)
    registry.find(name)
    back = stages.way_back(name)
    holds = [f"model {name}", *([f"collection {back.collection}"] if back.collection else [])]
    with stages.run_of(ROLLBACK, {"model": name}, holds) as run:
        done = stages.rollback(name, run)
        with workspace.warehouse() as warehouse:
            report = Report(pipeline=ROLLBACK, run=run, index_version=done.index, promotion=done)
            workspace.close_run(warehouse, run, "completed", report.model_dump(mode="json"))
    return done

"""Close the runs in ZenML whose process was killed: ZenML itself would show them as running for ever."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from loguru import logger

from llm_engineering.infrastructure.processes import Process, this_process

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse

OWNER = "owner"
_UNFINISHED = ("initializing", "provisioning", "running")


def owner() -> dict[str, object]:
    """Return what a run carries so that a later process can tell whether this one still lives."""
    process = this_process()
    return {OWNER: {"host": process.host, "number": process.number, "started": process.started}}


def close_dead_runs() -> None:
    """Mark runs as failed that were started from a command line of this machine by a process that is gone."""
    from zenml.client import Client

    for status in _UNFINISHED:
        for run in Client().list_pipeline_runs(status=status, hydrate=True, size=100).items:
            process = _owner_of(run)
            if process is not None and process.is_dead:
                logger.warning("ZenML's run {} was left behind by {}; marking it as failed", run.name, process)
                _close(run, f"{process} ended without closing this run")


def _owner_of(run: "PipelineRunResponse") -> Process | None:
    signed = run.config.extra.get(OWNER)
    if not isinstance(signed, dict):
        return None
    return Process(str(signed["host"]), int(signed["number"]), str(signed["started"]))


def _close(run: "PipelineRunResponse", why: str) -> None:
    from zenml.client import Client
    from zenml.enums import ExecutionStatus
    from zenml.models import PipelineRunUpdate, StepRunUpdate

    store = Client().zen_store
    ended = datetime.now(UTC).replace(tzinfo=None)  # ZenML keeps UTC without saying so
    for step in run.steps.values():
        if not step.status.is_finished:
            store.update_run_step(step.id, StepRunUpdate(status=ExecutionStatus.FAILED, end_time=ended))
    store.update_run(run.id, PipelineRunUpdate(status=ExecutionStatus.FAILED, status_reason=why))

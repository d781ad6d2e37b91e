"""Whether the owner of a run still works for it."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

from llm_engineering.domain.incidents import Incident
from llm_engineering.domain.reports import Report
from llm_engineering.infrastructure.processes import Process

# Of a process on another machine only its signs of life are known, and between two steps of a remote orchestrator
# nobody gives any: be patient.
_ELSEWHERE_SECONDS = 900.0


def process_of(run: Row[Any]) -> Process:
    """Return the process that works, or worked, for a run."""
    return Process(run.host, run.process, run.process_started)


def is_abandoned(run: Row[Any], lease_seconds: float) -> bool:
    """Return whether a running run's process is dead, or has shown no life for too long (stopped, hanging, cut off)."""
    process = process_of(run)
    if process.is_dead or not run.beat_at:
        return True
    patience = lease_seconds if process.is_here else max(lease_seconds, _ELSEWHERE_SECONDS)
    return (datetime.now(UTC) - datetime.fromisoformat(run.beat_at)).total_seconds() > patience


def died(run: Row[Any]) -> Report:
    """Return the report of a run that could not write one itself."""
    detail = (
        f"{process_of(run)} ended, or stopped, without closing the run; it last showed life at {run.beat_at}. "
        "The next run goes on where this one was"
    )
    incident = Incident(uri=f"run {run.run}", source=run.pipeline, reason="died", detail=detail)
    return Report(pipeline=run.pipeline, run=run.run, found=1, failed=1, failures=(incident,))

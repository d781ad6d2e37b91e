"""Run a pipeline on ZenML's active stack and bring back its report."""

import logging
from importlib import import_module
from typing import TYPE_CHECKING
from uuid import uuid4

from loguru import logger

from llm_engineering import stages
from llm_engineering.config import Config
from llm_engineering.domain.errors import UsageError
from tools.outcome import Outcome
from tools.zenml_dead_runs import close_dead_runs, owner
from tools.zenml_home import prepare_zenml

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse


def run_pipeline(name: str, config: Config) -> Outcome:
    """Run a pipeline and return what became of it."""
    prepare_zenml()
    from zenml.client import Client

    close_dead_runs()
    pipeline = getattr(import_module(f"pipelines.{name}"), name)
    mark = uuid4().hex[:12]
    configured = pipeline.with_options(
        run_name=f"{name}-{{date}}-{{time}}-{mark}", enable_cache=config.enable_cache, extra=owner()
    )
    try:
        run = configured(config=config.resolved())
    except RuntimeError:
        # ZenML reports a failed step this way and keeps the step's own error with the run. Without a run it is no step.
        started = Client().list_pipeline_runs(name=f"endswith:{mark}", hydrate=True).items
        if not started:
            raise
        run = started[0]
    finally:
        _flush_logs_now()
    logger.info("look at this run in the dashboard: poetry poe dashboard")
    return _outcome(name, run)


def _flush_logs_now() -> None:
    """Flush ZenML's log handlers, and leave nothing to do at the end of the interpreter.

    OpenTelemetry's handler flushes in a new thread. When the interpreter ends, Python 3.12 refuses new threads, and
    every run would end with a traceback about that.
    """
    from opentelemetry.instrumentation.logging.handler import LoggingHandler

    for reference in list(logging._handlerList):  # type: ignore[attr-defined]  # there is no public list of them
        handler = reference()
        if isinstance(handler, LoggingHandler):
            handler.flush()
            handler.flush = lambda: None  # type: ignore[method-assign]


def _outcome(name: str, run: "PipelineRunResponse") -> Outcome:
    steps = run.steps
    failed = {step: response for step, response in steps.items() if response.status == "failed"}
    if not failed:
        return Outcome(steps["report"].output.load())
    step, response = next(iter(failed.items()))
    info = response.exception_info
    error = (info.message if info else "") or f"step {step} failed"
    if step == "check":
        return Outcome(steps["report"].output.load(), error)
    number = steps["open_run"].output.load() if step != "open_run" else 0
    kind = (info.source if info and info.source else "unknown").rpartition(".")[2]
    report = stages.fail_run(name, number, step, kind, error)
    return Outcome(report, f"{step}: {error}", usage=kind == UsageError.__name__)

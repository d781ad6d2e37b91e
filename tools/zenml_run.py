"""Run a pipeline on ZenML's active stack and bring back its report."""

from importlib import import_module
from typing import Any

from llm_engineering import stages
from llm_engineering.config import Config
from llm_engineering.domain.errors import GateFailed, LLMEngineeringError, UsageError
from llm_engineering.domain.reports import Report
from tools.zenml_home import prepare_zenml


def run_pipeline(name: str, config: Config) -> tuple[Report, str]:
    """Run a pipeline and return its report, and what failed (empty if nothing did).

    Raises:
        UsageError: a step found that the user has to mend something.
    """
    prepare_zenml()
    pipeline = getattr(import_module(f"pipelines.{name}"), name)
    error = ""
    try:
        pipeline.with_options(enable_cache=config.enable_cache)(config=config)
    except LLMEngineeringError as failure:
        error = str(failure)
        if not isinstance(failure, GateFailed):
            _close(name, failure)
            raise
        ...
    return _report(name), error

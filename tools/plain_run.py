"""Run a pipeline in plain Python, without ZenML, and bring back its report."""

from llm_engineering import plain, stages
from llm_engineering.config import Config
from llm_engineering.domain.errors import GateFailed
from llm_engineering.domain.reports import Report
from tools.outcome import Outcome


def run_pipeline(name: str, config: Config) -> Outcome:
    """Run a pipeline and return what became of it."""
    report: Report = getattr(plain, name)(config)
    try:
        stages.check(report, config.limits)
    except GateFailed as failure:
        return Outcome(report, str(failure))
    return Outcome(report)

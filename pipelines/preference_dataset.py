"""The corpus into instructions with a better and a worse answer."""

from zenml import pipeline

from llm_engineering.config import PreferenceDatasetConfig
from llm_engineering.domain.secrets import redacted
from steps.failures import close_failed_run
from steps.instructions import collect_preferences, keep_preferences, sift_preferences
from steps.runs import check, open_run, report


@pipeline(on_failure=close_failed_run)
def preference_dataset(config: PreferenceDatasetConfig) -> None:
    """Make a data set of the active index version: instructions with a verbatim answer and a worse one."""
    config = config.resolved()
    run = open_run("preference_dataset", redacted(config.model_dump(mode="json")), list(config.holds))
    plan, drafts = collect_preferences(config, run)
    sifting, rows = sift_preferences(config, plan, drafts)
    _, account = keep_preferences(config, plan, sifting, rows)
    result = report("preference_dataset", run, dataset=account)
    check(result, config.limits)

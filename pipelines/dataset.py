"""The corpus into pairs of questions and passages."""

from zenml import pipeline

from llm_engineering.config import DatasetConfig
from llm_engineering.domain.secrets import redacted
from steps.dataset import collect_questions, keep_dataset, mine_pairs
from steps.failures import close_failed_run
from steps.runs import check, open_run, report


@pipeline(on_failure=close_failed_run)
def dataset(config: DatasetConfig) -> None:
    """Make a data set of the active index version: questions, passages that answer them, and such that do not."""
    config = config.resolved()
    run = open_run("dataset", redacted(config.model_dump(mode="json")), list(config.holds))
    plan, asked = collect_questions(config, run)
    mining, pairs = mine_pairs(config, plan, asked)
    _, account = keep_dataset(config, plan, mining, pairs)
    result = report("dataset", run, dataset=account)
    check(result, config.limits)

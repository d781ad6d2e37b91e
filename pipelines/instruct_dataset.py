"""The corpus into instructions with answers."""

from zenml import pipeline

from llm_engineering.config import InstructDatasetConfig
from llm_engineering.domain.secrets import redacted
from steps.failures import close_failed_run
from steps.instructions import collect_instructions, keep_instructions, sift_instructions
from steps.runs import check, open_run, report


@pipeline(on_failure=close_failed_run)
def instruct_dataset(config: InstructDatasetConfig) -> None:
    """Make a data set of the active index version: instructions with answers that stand in its documents."""
    config = config.resolved()
    run = open_run("instruct_dataset", redacted(config.model_dump(mode="json")), list(config.holds))
    plan, drafts = collect_instructions(config, run)
    sifting, rows = sift_instructions(config, plan, drafts)
    _, account = keep_instructions(config, plan, sifting, rows)
    result = report("instruct_dataset", run, dataset=account)
    check(result, config.limits)

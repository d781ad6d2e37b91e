"""A table of questions into a table of answers."""

from zenml import pipeline

from llm_engineering.config import BatchInferenceConfig
from llm_engineering.domain.secrets import redacted
from steps.batch import answer_questions, plan_questions, write_answers
from steps.failures import close_failed_run
from steps.runs import check, open_run, report


@pipeline(on_failure=close_failed_run)
def batch_inference(config: BatchInferenceConfig) -> None:
    """Ask the assistant every question of a table that it has not answered yet, and write the answers."""
    config = config.resolved()
    run = open_run("batch_inference", redacted(config.model_dump(mode="json")), list(config.holds))
    plan = plan_questions(config, run)
    batch, answers = answer_questions(config, plan, run)
    output = write_answers(config, plan, answers)
    account = report("batch_inference", run, batch=batch, output=output)
    check(account, config.limits)

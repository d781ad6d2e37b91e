"""Questions with known answers: how well an index finds these, and whether another one finds them better."""

from zenml import pipeline

from llm_engineering.config import EvaluationConfig
from llm_engineering.domain.secrets import redacted
from steps.evaluation import ask_index, compare_evaluations, read_questions
from steps.failures import close_failed_run
from steps.runs import check, open_run, report


@pipeline(on_failure=close_failed_run)
def evaluation(config: EvaluationConfig) -> None:
    """Ask an index version questions with known answers; compare with another version or a former evaluation."""
    config = config.resolved()
    run = open_run("evaluation", redacted(config.model_dump(mode="json")), list(config.holds))
    questions = read_questions(config, run)
    before = None
    if config.evaluation.before:
        before, _ = ask_index(config, questions, run, config.evaluation.before)
    measured, _ = ask_index(config, questions, run)
    result = compare_evaluations(config, measured, questions, run, before)
    account = report("evaluation", run, measured=result)
    check(account, config.limits)

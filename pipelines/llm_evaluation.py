"""Language models compared by what they answer to held-out instructions."""

from zenml import pipeline

from llm_engineering.config import LlmEvaluationConfig
from llm_engineering.domain.secrets import redacted
from steps.failures import close_failed_run
from steps.llm_evaluation import (
    answer_held_out,
    compare_answers,
    judge_held_out,
    measure_held_out,
    plan_llm_evaluation,
)
from steps.runs import check, open_run, report


@pipeline(on_failure=close_failed_run)
def llm_evaluation(config: LlmEvaluationConfig) -> None:
    """Let models answer the same held-out instructions; measure the answers, judge them, compare the models."""
    config = config.resolved()
    run = open_run("llm_evaluation", redacted(config.model_dump(mode="json")), list(config.holds))
    plan = plan_llm_evaluation(config, run)
    account, answers = answer_held_out(config, plan)
    scores = measure_held_out(config, plan, answers)
    judge, judged = judge_held_out(config, plan, answers)
    result = compare_answers(config, plan, account, answers, scores, judge, judged)
    done = report("llm_evaluation", run, llms=result)
    check(done, config.limits)

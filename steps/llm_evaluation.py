"""Steps of the evaluation of language models. They look at what the registry has now: none is cached."""

from typing import Annotated, Any

from zenml import log_metadata, step

from llm_engineering import stages
from llm_engineering.config import LlmEvaluationConfig
from llm_engineering.domain.llm_evaluation import AnswersAccount, JudgeAccount, LlmEvaluationPlan, LlmEvaluationResult
from llm_engineering.infrastructure.parquet import ParquetDataset
from steps.materializers import DatasetMaterializer, LlmEvaluationMaterializer, ValueMaterializer

Rows = ParquetDataset[Any]


@step(enable_cache=False, output_materializers=ValueMaterializer)
def plan_llm_evaluation(config: LlmEvaluationConfig, run: int) -> Annotated[LlmEvaluationPlan, "plan"]:
    """Name the very versions of data set and models."""
    return stages.plan_llm_evaluation(config, run)


@step(enable_cache=False, output_materializers={"account": ValueMaterializer, "answers": DatasetMaterializer})
def answer_held_out(
    config: LlmEvaluationConfig, plan: LlmEvaluationPlan
) -> tuple[Annotated[AnswersAccount, "account"], Annotated[Rows, "answers"]]:
    """Let each model answer the held-out rows."""
    account, answers = stages.answer_held_out(config, plan)
    return account, answers  # as a tuple, because ZenML reads the number of outputs off this line


@step(enable_cache=False, output_materializers=DatasetMaterializer)
def measure_held_out(config: LlmEvaluationConfig, plan: LlmEvaluationPlan, answers: Rows) -> Annotated[Rows, "scores"]:
    """Measure the answers without any language model."""
    return stages.measure_held_out(config, plan, answers)


@step(enable_cache=False, output_materializers={"judge": ValueMaterializer, "judged": DatasetMaterializer})
def judge_held_out(
    config: LlmEvaluationConfig, plan: LlmEvaluationPlan, answers: Rows
) -> tuple[Annotated[JudgeAccount, "judge"], Annotated[Rows, "judged"]]:
    """Let a language model judge the answers, if one is configured."""
    judge, judged = stages.judge_held_out(config, plan, answers)
    return judge, judged


@step(enable_cache=False, output_materializers=LlmEvaluationMaterializer)
def compare_answers(
    config: LlmEvaluationConfig,
    plan: LlmEvaluationPlan,
    account: AnswersAccount,
    answers: Rows,
    scores: Rows,
    judge: JudgeAccount,
    judged: Rows,
) -> Annotated[LlmEvaluationResult, "result"]:
    """Compare the models, write the report, and show the figures with the run."""
    result = stages.compare_answers(config, plan, account, answers, scores, judge, judged)
    log_metadata({"llm_evaluation": result.facts()})
    return result

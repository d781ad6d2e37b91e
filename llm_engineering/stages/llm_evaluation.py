"""Language models compared by what they answer: name them, measure what `llm_answers` had them say, judge, compare."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import combinations
from typing import TYPE_CHECKING

from loguru import logger

from llm_engineering.application.llm_evaluation.judged import judge_answers
from llm_engineering.application.llm_evaluation.judging import prompt_digests
from llm_engineering.application.llm_evaluation.measuring import measure_answers
from llm_engineering.application.llm_evaluation.page import render
from llm_engineering.bootstrap import Workspace
from llm_engineering.bootstrap import llm_evaluation as parts
from llm_engineering.config.llm_evaluation import LlmEvaluationConfig
from llm_engineering.domain.instructions import Instruction
from llm_engineering.domain.llm_evaluation import (
    AnswersAccount,
    ContentScore,
    JudgeAccount,
    LlmEvaluationPlan,
    LlmEvaluationResult,
    ModelAnswer,
)
from llm_engineering.domain.ports import Dataset
from llm_engineering.stages.llm_answers import planned_rows
from llm_engineering.stages.llm_results import result_of
from llm_engineering.stages.telling import tell_llms

if TYPE_CHECKING:
    from llm_engineering.infrastructure.parquet import ParquetDataset


def plan_llm_evaluation(config: LlmEvaluationConfig, run: int = 0) -> LlmEvaluationPlan:
    """Name the very versions of data set and models, and refuse what is wrong before anything is asked.

    Run 0 is a dry run, which fetches nothing.

    Raises:
        UsageError: a model or the data set is not there, or of another kind; a prompt of the judge is wrong.
    """
    workspace, settings = Workspace(), config.llm_evaluation
    if run:
        workspace.keep_alive(run)
    if settings.judge is not None:
        parts.judge_spec(config)
        prompt_digests(settings.judge)
    card, rows, count = parts.held_out_rows(settings, workspace)
    models = parts.named_models(config, rows, workspace, fetch=bool(run))
    return LlmEvaluationPlan(
        run=run, dataset=card.reference, dataset_digest=card.digest, rows=len(rows), of=count, models=models
    )


def measure_held_out(
    config: LlmEvaluationConfig, plan: LlmEvaluationPlan, answers: Dataset[ModelAnswer]
) -> "ParquetDataset[ContentScore]":
    """Measure the answers without any language model.

    Raises:
        UsageError: the embedder cannot be opened.
    """
    from llm_engineering.infrastructure.rerankers.late_interaction import TokenEmbedder

    workspace = Workspace()
    workspace.keep_alive(plan.run)
    embedder = config.embedding.resolved(workspace.home).open(workspace.home)

    def embed(texts: Sequence[str]) -> list[Sequence[float]]:
        return [embedder.embed_query(text) for text in texts]  # what exceeds the window does not count

    tokens = embedder.token_vectors if isinstance(embedder, TokenEmbedder) else None
    scores = measure_answers(list(answers), config.llm_evaluation, embed, tokens)
    return workspace.spool(scores, ContentScore)


def judge_held_out(
    config: LlmEvaluationConfig, plan: LlmEvaluationPlan, answers: Dataset[ModelAnswer]
) -> "tuple[JudgeAccount, ParquetDataset[ContentScore]]":
    """Let a language model judge the answers, if one is configured. What it said before is not asked again.

    Raises:
        UsageError: there is no such model, or a prompt is wrong.
        BackendError: what it said cannot be kept.
    """
    workspace, judge = Workspace(), config.llm_evaluation.judge
    workspace.keep_alive(plan.run)
    spec = parts.judge_spec(config)
    if judge is None or spec is None:
        return JudgeAccount(llm=""), workspace.spool([], ContentScore)
    by_model = _by_model(answers, plan)
    pairs = list(combinations(by_model.values(), 2))
    every = [one for said in by_model.values() for one in said]
    done = judge_answers(
        every, pairs, judge, parts.asker(config, judge.model_copy(update={"llm": spec.name}), workspace)
    )
    own = [one.reference for one in plan.models if one.llm == spec.name]
    notes = tuple(f"the judge is one of the compared models ({one}): models tend to prefer their own" for one in own)
    account = done.account.model_copy(update={"llm": spec.name, "notes": notes})
    for agreement in account.agreements:
        logger.info("judge {}: {}", spec.name, agreement)
    return account, workspace.spool(done.scores, ContentScore)


def compare_answers(
    config: LlmEvaluationConfig,
    plan: LlmEvaluationPlan,
    account: AnswersAccount,
    answers: Dataset[ModelAnswer],
    scores: Dataset[ContentScore],
    judge: JudgeAccount,
    judged: Dataset[ContentScore],
) -> LlmEvaluationResult:
    """Compare the models, write the report, keep scores and report where a promotion finds them.

    Raises:
        BackendError: they cannot be kept.
    """
    workspace = Workspace()
    workspace.keep_alive(plan.run)
    every = [*scores, *judged]
    result = result_of(config.llm_evaluation, plan, account, _by_model(answers, plan), every, judge)
    result = result.model_copy(update={"created_at": datetime.now(UTC).isoformat()})
    result = parts.open_llm_evaluations(workspace).write(result, every, render(result))
    tell_llms(config.tracking, result, config.llm_evaluation, workspace)
    return result


def estimate_judging(config: LlmEvaluationConfig, plan: LlmEvaluationPlan) -> str:
    """Return what the judge would be asked, and about what that takes at most. Nothing is asked."""
    judge, spec, workspace = config.llm_evaluation.judge, parts.judge_spec(config), Workspace()
    if judge is None or spec is None:
        return "no judge"
    from llm_engineering.application.llm_evaluation.judging import comparings, gradings
    from llm_engineering.infrastructure.llms.counting import likely_prompt

    rows = planned_rows(config, plan, workspace)
    # Nobody knows the answers yet: they are taken to be as long as the data set's.
    likely = {one.reference: [_likely(one.reference, row, n) for row in rows] for n, one in enumerate(plan.models)}
    asked = [one.inquiry for one in gradings([one for said in likely.values() for one in said], judge)]
    asked += [one.inquiry for one in comparings(list(combinations(likely.values(), 2)), judge)]
    tokens, written = sum(likely_prompt(one.request) for one in asked), judge.max_tokens * len(asked)
    price = parts.price_of(spec, tokens, written, workspace)
    cost = "at an unknown price" if price is None else f"{price:.4f} US dollars"
    return f"{spec.name}: at most {len(asked)} requests, about {tokens} tokens in, at most {written} out, {cost}"


def _likely(model: str, row: Instruction, number: int) -> ModelAnswer:
    answer = f"{row.answer} {number}"
    return ModelAnswer(
        model, row.id, row.cluster or row.id, row.document_id, row.instruction, row.answer, row.passage, answer, "stop"
    )


def _by_model(answers: Dataset[ModelAnswer], plan: LlmEvaluationPlan) -> dict[str, list[ModelAnswer]]:
    found: dict[str, list[ModelAnswer]] = {one.reference: [] for one in plan.models}
    for answer in answers:
        found[answer.model].append(answer)
    return found

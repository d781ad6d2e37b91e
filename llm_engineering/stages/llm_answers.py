"""What language models answer to the held-out rows of a data set, by our own reading of weights or through a server."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from loguru import logger

from llm_engineering.application.instructions.material import Inquiry, Replies
from llm_engineering.application.instructions.writing import Asking
from llm_engineering.bootstrap import Workspace
from llm_engineering.bootstrap import llm_evaluation as parts
from llm_engineering.config.llm_evaluation import LlmEvaluationConfig
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.instructions import Instruction
from llm_engineering.domain.llm_evaluation import AnswersAccount, EvaluatedModel, LlmEvaluationPlan, ModelAnswer
from llm_engineering.domain.llms import LlmRequest, Message, Usage

if TYPE_CHECKING:
    from llm_engineering.infrastructure.parquet import ParquetDataset


def answer_held_out(
    config: LlmEvaluationConfig, plan: LlmEvaluationPlan
) -> "tuple[AnswersAccount, ParquetDataset[ModelAnswer]]":
    """Let each model answer the held-out rows, greedily, with its own template.

    Raises:
        UsageError: a model cannot be loaded, or is another one by now; the data set changed.
        BackendError: what a model said cannot be kept.
    """
    workspace = Workspace()
    workspace.keep_alive(plan.run)
    rows = planned_rows(config, plan, workspace)
    answers: list[ModelAnswer] = []
    replies: list[Replies] = []
    for model in plan.models:
        logger.info("{} answers {} rows", model.reference, len(rows))
        if model.llm:
            said, account = _asked(config, model, rows, workspace)
            replies.append(account)
        else:
            said = _written(config, model, rows, workspace)
        answers += said
    return _account(replies), workspace.spool(answers, ModelAnswer)


def planned_rows(config: LlmEvaluationConfig, plan: LlmEvaluationPlan, workspace: Workspace) -> list[Instruction]:
    """Return the rows that are to be answered.

    Raises:
        UsageError: the data set is another one than when the run began.
    """
    settings = config.llm_evaluation.model_copy(update={"dataset": plan.dataset})
    card, rows, _ = parts.held_out_rows(settings, workspace)
    if card.digest != plan.dataset_digest:
        raise UsageError(f"data set {plan.dataset} is another one than when the run began; run again")
    return rows


def _written(
    config: LlmEvaluationConfig, model: EvaluatedModel, rows: Sequence[Instruction], workspace: Workspace
) -> list[ModelAnswer]:
    from dataclasses import replace

    from llm_engineering.infrastructure.trainers.language.answering import Writing, answer_rows

    settings = config.llm_evaluation
    writing = Writing(settings.max_tokens, settings.batch, settings.device)
    return [replace(one, model=model.reference) for one in answer_rows(parts.base_of(model, workspace), rows, writing)]


def _asked(
    config: LlmEvaluationConfig, model: EvaluatedModel, rows: Sequence[Instruction], workspace: Workspace
) -> tuple[list[ModelAnswer], Replies]:
    settings = config.llm_evaluation
    section = Asking(
        llm=model.llm, max_tokens=max(16, settings.max_tokens), attempts=1, concurrency=settings.concurrency
    )
    inquiries = [
        Inquiry(
            row.document_id,
            LlmRequest(
                messages=(Message(role="user", content=row.instruction),),
                max_tokens=settings.max_tokens,
                documents=(row.document_id,) if row.document_id else (),
            ),
        )
        for row in rows
    ]
    # Whatever it says is its answer, be it nothing.
    replies = parts.asker(config, section, workspace)(inquiries, lambda text: (1, 0))  # noqa: ARG005
    return [
        ModelAnswer(
            model.reference, row.id, row.cluster or row.id, row.document_id, row.instruction, row.answer, row.passage,
            replies.texts.get(number, "").strip(), "stop" if number in replies.texts else "failed",
        )
        for number, row in enumerate(rows)
    ], replies  # fmt: skip


def _account(replies: Sequence[Replies]) -> AnswersAccount:
    usage = sum((one.usage for one in replies), Usage())
    return AnswersAccount(
        resumed=sum(one.resumed for one in replies),
        unasked=sum(one.unasked for one in replies),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost=usage.cost,
        stopped=next((one.stopped for one in replies if one.stopped), ""),
        failures=tuple(failure for one in replies for failure in one.failures),
    )

"""A table of questions into a table of answers: look at it, ask, write."""

import asyncio
import json
import math
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from llm_engineering.application.answering.batch import Tally, add_up, answer_all, unanswered
from llm_engineering.application.answering.batch_rows import questions_of
from llm_engineering.bootstrap import Inference, Workspace, open_inference
from llm_engineering.config import BatchInferenceConfig
from llm_engineering.domain.batches import BUDGET, AnswerRow, BatchPlan, BatchRow
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.lineage import Derivative
from llm_engineering.domain.ports import Dataset
from llm_engineering.domain.reports import BatchReport
from llm_engineering.domain.value import digest, identity

if TYPE_CHECKING:
    from llm_engineering.infrastructure.answer_journal import FileJournal
    from llm_engineering.infrastructure.parquet import ParquetDataset
    from llm_engineering.infrastructure.tables import Table

T = TypeVar("T")
Opener = Callable[[BatchInferenceConfig, Workspace], AbstractAsyncContextManager[Inference]]

# The columns that answers have, with their types, after those of the input.
COLUMNS: dict[str, type] = {
    "answer": str,
    "outcome": str,
    "citations": list,
    "confidence": float,
    "flags": list,
    "versions": dict,
    "input_tokens": int,
    "output_tokens": int,
    "cost": float,
    "seconds": float,
    "cached": bool,
    "answer_id": str,
    "error_code": str,
    "error": str,
}


def plan_questions(config: BatchInferenceConfig, run: int = 0) -> BatchPlan:
    """Read the table of questions once, and say what it holds and what is answered already.

    Raises:
        UsageError: the table cannot be read, is empty, or lacks a column; an answer's column is there already.
    """
    workspace = Workspace()
    workspace.keep_alive(run)
    source, target = config.batch.files
    facts = _table(config).facts()
    wanted = [config.batch.question, *config.batch.filters, *([config.batch.id] if config.batch.id else [])]
    if missing := [name for name in wanted if name not in facts.columns]:
        has = ", ".join(map(repr, facts.columns)) or "none"
        raise UsageError(f"{source} has no column {missing[0]!r}; it has {has}. {_divided_by(facts.columns)}")
    if taken := [name for name in _added(config) if name in facts.columns]:
        raise UsageError(f"{source} has a column {taken[0]!r} itself; set batch.prefix, for example model_")
    journal = digest([config.answers_depend_on, str(source)])[:32]
    plan = BatchPlan(
        run=run, input=source, output=target, fingerprint=facts.fingerprint, journal=journal, rows=facts.rows,
        columns=facts.columns,
    )  # fmt: skip
    if config.batch.fresh or not _journal_path(workspace, plan).is_file():
        return plan
    with _journal(workspace, plan) as kept:
        known = sum(kept.finished(row.key) is not None for row in _questions(config))
    return plan.model_copy(update={"answered_before": known})


def answer_questions(
    config: BatchInferenceConfig, plan: BatchPlan, run: int, opened: Opener = open_inference
) -> "tuple[BatchReport, ParquetDataset[AnswerRow]]":
    """Ask what is not answered yet; return the account, and a row for each row of the table, in its order.

    Raises:
        UsageError: there is no index, or no such model.
        BackendError: the journal cannot be written.
    """
    workspace = Workspace()
    workspace.keep_alive(run)
    with _journal(workspace, plan, fresh=config.batch.fresh) as journal:
        tally = Tally()
        if plan.rows > plan.answered_before:
            tally = _run(_ask_all(config, plan, workspace, journal, opened))
        else:
            tally.resumed = plan.answered_before
        answers = workspace.spool(_in_order(config, journal, tally), AnswerRow)
    return add_up(answers, tally, str(plan.input), str(plan.output)), answers


def write_answers(config: BatchInferenceConfig, plan: BatchPlan, answers: Dataset[AnswerRow]) -> str:
    """Write the table of answers: the columns of the questions, then those of the answers. Return where it is.

    Raises:
        UsageError: the table of questions is another one by now.
        BackendError: the file cannot be written.
    """
    from llm_engineering.infrastructure.tables import write_table

    table = _table(config)
    facts = table.facts()
    if facts.fingerprint != plan.fingerprint:
        raise UsageError(f"{plan.input} was changed while its questions were asked; run again to ask the new ones")
    _note_origin(plan, answers)
    added = _added(config)
    pairs = zip(table.rows(), answers, strict=True)
    rows = (row | dict(zip(added, _values(answer), strict=True)) for row, answer in pairs)
    write_table(plan.output, rows, table, facts, added)
    return str(plan.output)


def _note_origin(plan: BatchPlan, answers: Dataset[AnswerRow]) -> None:
    """Note which documents the table is made from, before its first byte: an erasure then finds it."""
    place = str(plan.output)
    made = Derivative(id=identity("answers", place), kind="answers", name=plan.output.name, place=place, run=plan.run)
    with Workspace().warehouse() as warehouse:
        warehouse.record_derivative(made, {document for answer in answers for document in answer.documents})


async def _ask_all(
    config: BatchInferenceConfig, plan: BatchPlan, workspace: Workspace, journal: "FileJournal", opened: Opener
) -> Tally:
    # A row whose model failed, or whose budget is spent, is asked again by the next run: quotes do not stand in for it.
    unrelenting = config.answering.model_copy(update={"llm_failure": "break"})
    async with opened(config.model_copy(update={"answering": unrelenting}), workspace) as inference:
        # What would fail every row is better known before the first one.
        inference.searcher.manifest()
        known = inference.assistant.models()
        if config.batch.llm and config.batch.llm not in known:
            raise UsageError(f"batch.llm is {config.batch.llm!r}; the configured models are {', '.join(known)}")
        rows = workspace.progress(_questions(config), "answer", total=plan.rows, unit="row")
        return await answer_all(inference.assistant, rows, journal, config.batch.concurrency)


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also where an event loop runs already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def _in_order(config: BatchInferenceConfig, journal: "FileJournal", tally: Tally) -> Iterator[AnswerRow]:
    """Yield what became of each row, in the order of the table."""
    for row in _questions(config):
        known = journal.latest(row.key)
        # A failure of a run before is no news of a row that this run did not come to.
        if known is None or (known.outcome == "failed" and row.key not in tally.asked):
            known = unanswered(row, "unasked", BUDGET, tally.stopped or "it was not asked")
        yield replace(known, position=row.position, id=row.id)


def _values(answer: AnswerRow) -> list[object]:
    """Return the values of `COLUMNS` of an answer."""
    values = {name: getattr(answer, name) for name in COLUMNS}
    values["citations"], values["versions"] = json.loads(answer.citations), json.loads(answer.versions)
    values["flags"] = list(answer.flags)
    return [None if isinstance(value, float) and math.isnan(value) else value for value in values.values()]


def _divided_by(columns: Sequence[str]) -> str:
    """Return what to do about a missing column: a single one that holds delimiters is several of them."""
    other = next((mark for mark in ";\t|" if len(columns) == 1 and mark in columns[0]), "")
    if other:
        return f"If its columns are divided by {other!r}, set batch.delimiter"
    return "Section `batch` names those to read"


def _added(config: BatchInferenceConfig) -> dict[str, type]:
    return {f"{config.batch.prefix}{name}": kind for name, kind in COLUMNS.items()}


def _table(config: BatchInferenceConfig) -> "Table":
    from llm_engineering.infrastructure.tables import Table

    return Table(config.batch.files[0], config.batch.encoding, config.batch.delimiter)


def _questions(config: BatchInferenceConfig) -> Iterator[BatchRow]:
    return questions_of(_table(config).rows(), config.batch)


def _journal_path(workspace: Workspace, plan: BatchPlan) -> Path:
    return workspace.home / "batches" / f"{plan.journal}.jsonl"


def _journal(workspace: Workspace, plan: BatchPlan, *, fresh: bool = False) -> Any:
    from llm_engineering.infrastructure.answer_journal import open_journal

    return open_journal(_journal_path(workspace, plan), fresh=fresh)

"""Answer many questions: several at once, in any order, each kept as soon as it is known."""

import asyncio
import json
import math
import time
from collections.abc import Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field

from llm_engineering.domain.answers import Broken, Finished, Question
from llm_engineering.domain.batches import BUDGET, AnswerJournal, AnswerRow, BatchRow
from llm_engineering.domain.errors import BudgetExceeded, LLMEngineeringError
from llm_engineering.domain.incidents import Incident
from llm_engineering.domain.llms import Usage
from llm_engineering.domain.ports.answers import Assistant
from llm_engineering.domain.reports import BatchReport
from llm_engineering.domain.secrets import redact

LONGEST_ERROR = 500
# A report lists so many rejected and so many failed rows; the output says it of all of them.
MOST_INCIDENTS = 100


@dataclass
class Tally:
    """What is known of a batch while it runs: which rows were asked (keys), what for, why it ended."""

    asked: set[str] = field(default_factory=set)
    resumed: int = 0
    usage: Usage = field(default_factory=Usage)
    stopped: str = ""
    seconds: float = 0.0


async def answer_all(assistant: Assistant, rows: Iterable[BatchRow], journal: AnswerJournal, concurrency: int) -> Tally:
    """Ask every question that the journal does not hold the answer of; at most `concurrency` are asked at once.

    A row that fails is kept as failed, and the others go on. A spent budget ends it: what is being asked is awaited,
    nothing new begins.

    Raises:
        BackendError: the journal cannot be written.
    """
    batch = Tally()
    waiting = iter(rows)
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(_work(assistant, waiting, journal, batch))
    batch.seconds = time.perf_counter() - began
    return batch


async def _work(assistant: Assistant, waiting: Iterator[BatchRow], journal: AnswerJournal, batch: Tally) -> None:
    """Take rows, one after the other, until there are none or the budget is spent."""
    for row in waiting:
        if journal.finished(row.key) is not None:
            batch.resumed += 1
        elif row.question is None:
            journal.keep(unanswered(row, "rejected", "question", row.mistake))
        elif batch.stopped:
            return
        else:
            await _ask(assistant, row, row.question, journal, batch)
        await asyncio.sleep(0)  # rows that are only counted let the others work too


async def _ask(assistant: Assistant, row: BatchRow, question: Question, journal: AnswerJournal, batch: Tally) -> None:
    began = time.perf_counter()
    try:
        event = await _last_event(assistant, question)
    except BudgetExceeded as error:
        batch.stopped = batch.stopped or str(error)
        return
    except LLMEngineeringError as error:
        event = Broken("", type(error).__name__, str(error))
    except Exception as error:  # noqa: BLE001 - one row never fails the others, whatever a vendor's library raises
        event = Broken("", "unexpected", f"{type(error).__name__}: {error}")
    if isinstance(event, Broken) and event.reason == BUDGET:
        batch.stopped = batch.stopped or event.detail
        return
    seconds = time.perf_counter() - began
    batch.asked.add(row.key)
    if isinstance(event, Broken):
        journal.keep(unanswered(row, "failed", event.reason, event.detail, seconds, event.answer_id))
        return
    batch.usage = batch.usage + event.answer.usage
    journal.keep(answered(row, event, seconds))


async def _last_event(assistant: Assistant, question: Question) -> Finished | Broken:
    async with aclosing(assistant.answer(question)) as events:  # type: ignore[type-var]  # answers are generators
        async for event in events:
            if isinstance(event, Finished | Broken):
                return event
    return Broken("", "incomplete", "the answer ended without its last event")


def answered(row: BatchRow, event: Finished, seconds: float) -> AnswerRow:
    """Return the row of an answer."""
    answer = event.answer
    return AnswerRow(
        position=row.position,
        key=row.key,
        id=row.id,
        question=row.text,
        answer=answer.text,
        outcome=answer.outcome,
        citations=_json([citation.model_dump(mode="json") for citation in answer.citations]),
        confidence=math.nan if answer.confidence is None else answer.confidence,
        flags=answer.flags,
        versions=_json(answer.versions.model_dump(mode="json")),
        input_tokens=answer.usage.input_tokens,
        output_tokens=answer.usage.output_tokens,
        cost=_cost(answer.usage),
        seconds=round(seconds, 6),
        cached=answer.cached,
        answer_id=answer.id,
        error_code="",
        error="",
        documents=tuple(sorted(event.documents)),
    )


def unanswered(
    row: BatchRow, outcome: str, code: str, error: str, seconds: float = 0.0, answer_id: str = ""
) -> AnswerRow:
    """Return the row of a question without an answer."""
    return AnswerRow(
        position=row.position,
        key=row.key,
        id=row.id,
        question=row.text,
        answer="",
        outcome=outcome,
        citations="[]",
        confidence=math.nan,
        flags=(),
        versions="{}",
        input_tokens=0,
        output_tokens=0,
        cost=0.0,
        seconds=round(seconds, 6),
        cached=False,
        answer_id=answer_id,
        error_code=code,
        error=redact(error)[:LONGEST_ERROR],
        documents=(),
    )


def add_up(answers: Iterable[AnswerRow], batch: Tally, input: str, output: str) -> BatchReport:
    """Return the account of a batch from its output and what was noted while it ran."""
    counts = dict.fromkeys(("answered", "no_answer", "rejected", "failed", "unasked"), 0)
    incidents: dict[str, list[Incident]] = {"rejected": [], "failed": []}
    for answer in answers:
        counts[answer.outcome] += 1
        if len(noted := incidents.get(answer.outcome, ())) < MOST_INCIDENTS and isinstance(noted, list):
            noted.append(_incident(answer, input))
    if counts["unasked"]:
        detail = f"{counts['unasked']} rows were not asked: {batch.stopped}. Run again to ask only these"
        incidents["failed"].append(Incident(uri=input, source="batch", reason=BUDGET, detail=redact(detail)))
    return BatchReport(
        rows=sum(counts.values()),
        **counts,
        resumed=batch.resumed,
        input_tokens=batch.usage.input_tokens,
        output_tokens=batch.usage.output_tokens,
        cost=batch.usage.cost if batch.usage.calls else 0.0,
        seconds=round(batch.seconds, 3),
        rows_per_second=round(len(batch.asked) / batch.seconds, 3) if batch.seconds else 0.0,
        output=output,
        stopped=redact(batch.stopped),
        rejections=tuple(incidents["rejected"]),
        failures=tuple(incidents["failed"]),
    )


def _incident(answer: AnswerRow, input: str) -> Incident:
    place = f"{input}, row {answer.position + 1}" + (f" ({answer.id})" if answer.id else "")
    return Incident(uri=place, source="batch", reason=answer.error_code, detail=answer.error)


def _cost(usage: Usage) -> float:
    if not usage.calls:
        return 0.0
    return math.nan if usage.cost is None else usage.cost


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))

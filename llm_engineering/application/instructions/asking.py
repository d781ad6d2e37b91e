"""Ask a language model many things, several at once: each reply is kept as soon as it is there, none is paid twice."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from loguru import logger

from llm_engineering.application.datasets.writing import MOST_INCIDENTS, key_of
from llm_engineering.application.instructions.material import Count, Inquiry, Replies
from llm_engineering.application.instructions.writing import Asking
from llm_engineering.domain.datasets import Reply
from llm_engineering.domain.errors import BackendError, BudgetExceeded, LLMEngineeringError
from llm_engineering.domain.incidents import Incident
from llm_engineering.domain.llms import Usage
from llm_engineering.domain.ports import Llm, ReplyJournal


@dataclass
class _Work:
    spec: Asking
    llm: Llm
    model: object
    journal: ReplyJournal
    count: Count
    replies: Replies
    under_way: dict[str, asyncio.Lock] = field(default_factory=dict)


async def ask_all(
    spec: Asking, inquiries: Sequence[Inquiry], count: Count, llm: Llm, model: object, journal: ReplyJournal
) -> Replies:
    """Return what a model says to inquiries.

    A reply in which nothing can be read is asked for again; what of one can be read is kept, and the rest of it is an
    incident. So is an inquiry that fails, and the others go on. A spent budget ends it: what is being asked is awaited,
    nothing new begins.

    Args:
        spec: How it is asked.
        inquiries: What it is asked.
        count: Counts what can be read in a reply, and what cannot.
        llm: The model, opened for this event loop.
        model: What tells it apart from others whose replies the journal keeps.
        journal: What it wrote before.

    Raises:
        BackendError: the journal cannot be written.
    """
    work = _Work(spec, llm, model, journal, count, Replies(model=llm.card.name))
    waiting = iter(enumerate(inquiries))
    async with asyncio.TaskGroup() as group:
        for _ in range(spec.concurrency):
            group.create_task(_go_on(work, waiting))
    if work.replies.stopped:
        logger.warning("the model wrote no more: {}", work.replies.stopped)
    return work.replies


async def _go_on(work: _Work, waiting: Iterator[tuple[int, Inquiry]]) -> None:
    replies = work.replies
    for number, inquiry in waiting:
        key = key_of(inquiry.request, work.model)
        # Two documents may ask the same question: the second waits for the reply to the first.
        async with work.under_way.setdefault(key, asyncio.Lock()):
            if (known := work.journal.find(key)) is not None:
                replies.resumed += 1
                _take(work, number, inquiry, known.text)
            elif replies.stopped:
                replies.unasked += 1
            else:
                await _ask(work, number, inquiry, key)
        await asyncio.sleep(0)


async def _ask(work: _Work, number: int, inquiry: Inquiry, key: str) -> None:
    """Ask until something can be read, at most as often as is allowed."""
    replies, spec, said = work.replies, work.spec, ""
    for attempt in range(spec.attempts):
        temperature = min(2.0, inquiry.request.temperature + spec.warmer * attempt)
        request = inquiry.request.model_copy(update={"temperature": temperature})
        try:
            completion = await work.llm.complete(request)
        except BudgetExceeded as error:
            replies.stopped = replies.stopped or str(error)
            replies.unasked += 1
            return
        except BackendError as error:
            replies.usage = replies.usage + (error.usage or Usage())
            if error.reply is None:
                _failed(replies, inquiry, type(error).__name__, str(error))
                return
            text, said = error.reply, str(error)
        except LLMEngineeringError as error:
            _failed(replies, inquiry, type(error).__name__, str(error))
            return
        else:
            text, said = completion.text, "its reply has no item that can be used"
            replies.usage = replies.usage + completion.usage
        if work.count(text)[0]:
            work.journal.keep(Reply(key, inquiry.document_id, text))
            _take(work, number, inquiry, text)
            return
    _failed(replies, inquiry, "bad_reply", f"asked {_times(spec.attempts)}; the last time: {said}")


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _take(work: _Work, number: int, inquiry: Inquiry, text: str) -> None:
    good, bad = work.count(text)
    if bad:
        detail = f"{bad} of {good + bad} items of a reply could not be used; the others were kept"
        _failed(work.replies, inquiry, "bad_item", detail)
    work.replies.texts[number] = text


def _failed(replies: Replies, inquiry: Inquiry, reason: str, detail: str) -> None:
    replies.failed += 1
    if len(replies.failures) < MOST_INCIDENTS:
        replies.failures.append(Incident(uri=inquiry.document_id, source="llm", reason=reason, detail=detail[:500]))

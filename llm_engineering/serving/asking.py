"""One answer, from a caller's question to its last event, whatever shape it is sent in."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from loguru import logger

from llm_engineering.domain.answers import AnswerEvent, Broken, Conversation, Finished, Question, Sources, Turn
from llm_engineering.domain.conditions import condition_of
from llm_engineering.domain.errors import LLMEngineeringError
from llm_engineering.domain.llms import Message
from llm_engineering.domain.ports import AssistantState
from llm_engineering.infrastructure.observability.sessions import in_session
from llm_engineering.serving.callers import Caller
from llm_engineering.serving.problems import LATER, MUCH_LATER, Problem, problem_of, shutting_down
from llm_engineering.serving.service import Service
from llm_engineering.serving.shapes import Ask

# What a broken answer is told as, where the reply can still have a status of its own.
STATUS = {"timeout": 504, "budget": 429, "internal": 500}
# What callers are told instead of the details, which name our servers.
DETAILS = {
    "unavailable": "the index failed for now; try again",
    "llm_failed": "the language model failed; try again, or choose another one",
    "budget": "the budget for this language model is spent",
}


@dataclass(slots=True)
class Asked:
    """A question with whom it comes from and the conversation that it belongs to.

    One that begins a conversation has its `conversation_id` when the answer is there: what fails leaves nothing behind.
    """

    caller: Caller
    question: Question
    conversation_id: str | None = None
    begins: bool = False


async def asked(service: Service, caller: Caller, body: Ask) -> Asked:
    """Return the question of a body, with the history of its conversation.

    Raises:
        Problem: 404, the caller has no such conversation.
    """
    conversation = await _conversation(service, caller, body)
    history = recent(conversation, service.settings.history_turns, service.settings.history_characters)
    known = service.assistant.models()
    if body.llm is not None and body.llm not in known:
        raise Problem(422, "unknown_model", f"no such model; there are {', '.join(known)}")
    question = Question(
        text=body.question,
        history=history,
        filter=None if body.filter is None else condition_of(body.filter),
        access=caller.access,
        k=body.k,
        llm=body.llm,
        owner=caller.owner,
    )
    begins = body.stream and conversation is None
    return Asked(caller, question, conversation.id if conversation else None, begins)


async def _conversation(service: Service, caller: Caller, body: Ask) -> Conversation | None:
    if body.conversation_id is None:
        return None
    found = await service.kept(service.state.conversation, caller.owner, body.conversation_id)
    if found is None:
        raise no_conversation()
    return found


def no_conversation() -> Problem:
    """Return what is said of a conversation that is not there, or is somebody else's."""
    return Problem(404, "no_conversation", "there is no such conversation")


def recent(conversation: Conversation | None, turns: int, characters: int) -> tuple[Message, ...]:
    """Return the last turns that fit, oldest first."""
    chosen: list[Message] = []
    for turn in reversed(conversation.turns[-turns:] if conversation and turns else ()):
        characters -= len(turn.question) + len(turn.answer)
        if characters < 0:
            break
        chosen += [Message(role="assistant", content=turn.answer), Message(role="user", content=turn.question)]
    return tuple(reversed(chosen))


async def answered(service: Service, asked: Asked) -> Finished:
    """Return the whole answer.

    Raises:
        Problem: there is no place, it took too long, or no answer came about.
        LLMEngineeringError: as the assistant raises it.
    """
    last: AnswerEvent | None = None
    asked.question = asked.question.model_copy(update={"whole": True})
    try:
        with service.gate(asked.question.llm).passed(), in_session(asked.conversation_id or ""):
            async with (
                service.lifetime.within(service.settings.request_seconds),
                aclosing(events(service, asked)) as all_,
            ):
                async for event in all_:
                    last = event
    except TimeoutError:
        raise _ended(service) from None
    if isinstance(last, Finished):
        return last
    assert isinstance(last, Broken)  # noqa: S101 - `events` ends with one of the two
    later = MUCH_LATER if last.reason == "budget" else LATER
    raise Problem(STATUS.get(last.reason, 503), last.reason, last.detail, later)


def _ended(service: Service) -> Problem:
    return shutting_down() if service.lifetime.ending else problem_of(TimeoutError())


def interrupted(service: Service, answer_id: str, error: Exception) -> Broken:
    """Return the last event of an answer that an error ended."""
    problem = _ended(service) if isinstance(error, TimeoutError) else problem_of(error)
    service.metrics.broken(problem.code)
    return Broken(answer_id, problem.code, problem.message)


async def events(service: Service, asked: Asked) -> AsyncGenerator[AnswerEvent, None]:
    """Yield the events of an answer; the last one is `Finished` or `Broken`, and is counted and kept."""
    answer_id, over = "", False
    answering = cast("AsyncGenerator[AnswerEvent, None]", service.assistant.answer(asked.question))
    async with aclosing(answering):
        async for event in answering:
            if isinstance(event, Sources):
                answer_id = event.answer_id
            if isinstance(event, Finished):
                await _keep(service, asked, event)
            if isinstance(event, Broken):
                event = _without_details(service, event)
            over = isinstance(event, Finished | Broken)
            yield event
            if over:
                return
    service.metrics.broken("incomplete")
    yield Broken(answer_id, "incomplete", "the answer ended before it was whole")


def _without_details(service: Service, event: Broken) -> Broken:
    service.metrics.broken(event.reason)
    logger.warning("answer {} is broken: {}: {}", event.answer_id, event.reason, event.detail)
    return Broken(event.answer_id, event.reason, DETAILS.get(event.reason, event.detail))


async def _keep(service: Service, asked: Asked, event: Finished) -> None:
    """Count the answer and add it to its conversation; an answer that cannot be added is given all the same."""
    service.metrics.answer(event.answer)
    if asked.conversation_id is None and not asked.begins:
        return
    answer, now = event.answer, datetime.now(UTC).isoformat(timespec="milliseconds")
    turn = Turn(question=asked.question.text, answer_id=answer.id, answer=answer.text, at=now)
    try:
        asked.conversation_id = await service.kept(_added, service.state, asked, turn, event.documents)
    except LLMEngineeringError as error:
        logger.warning("answer {} was not added to its conversation: {}", answer.id, error)


def _added(state: AssistantState, asked: Asked, turn: Turn, documents: frozenset[str]) -> str:
    """Add a turn to its conversation, or to a new one, and return which. No new one stays without its turn."""
    owner, known = asked.caller.owner, asked.conversation_id
    added_to = known or state.create_conversation(owner).id
    try:
        state.add_turn(owner, added_to, turn, documents)
    except LLMEngineeringError:
        if known is None:
            state.delete_conversation(owner, added_to)
        raise
    return added_to

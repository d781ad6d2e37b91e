"""`POST /ask`: a question, and an answer whose every claim can be looked up."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response

from llm_engineering.domain.answers import Answer, AnswerEvent, Broken, Finished, Piece, Sources
from llm_engineering.serving.asking import Asked, answered, asked
from llm_engineering.serving.idempotency import Once
from llm_engineering.serving.replies import encoded, hit_body, reply
from llm_engineering.serving.service import Asking, TheService
from llm_engineering.serving.shapes import Ask
from llm_engineering.serving.streaming import EVENT_STREAM, AnswerStream

router = APIRouter(tags=["answers"])


@router.post(
    "/ask",
    responses={200: {"model": Answer, "description": "with `hits` and `conversation_id` beside the answer's fields"}},
)
async def ask(
    body: Ask, service: TheService, caller: Asking, idempotency_key: Annotated[str | None, Header()] = None
) -> Response:
    """Answer a question, at once or as a stream of events."""
    once = None if idempotency_key is None else Once(service, caller, idempotency_key, body)
    if once and (before := await once.begin()) is not None:
        return Response(b"".join(_again(before)), media_type=EVENT_STREAM) if body.stream else reply(before)
    streams = False
    try:
        question = await asked(service, caller, body)
        if body.stream:
            answers = Answers(question, once)
            streams = True
            return AnswerStream(service, question, answers)
        event = await answered(service, question)
        made = whole(event, question)
        if once:
            await once.keep(made, event.documents)
        return reply(made)
    finally:
        if once and not streams:
            await once.release()


class Answers:
    """Writes an answer as the events `sources`, `piece` …, and `finished` or `broken`."""

    def __init__(self, asked: Asked, once: Once | None) -> None:
        self._asked = asked
        self._once = once

    async def rendered(self, event: AnswerEvent) -> bytes:
        """Return the bytes of an event; the last one is kept for those who ask again."""
        match event:
            case Sources(answer_id, retrieved):
                hits = [hit_body(hit) for hit in retrieved.hits]
                conversation = self._asked.conversation_id
                return _event("sources", {"answer_id": answer_id, "conversation_id": conversation, "hits": hits})
            case Piece(text):
                return _event("piece", {"text": text})
            case Broken(answer_id, reason, detail):
                return _event("broken", {"answer_id": answer_id, "reason": reason, "detail": detail})
            case Finished():
                made = whole(event, self._asked)
                if self._once:
                    await self._once.keep(made, event.documents)
                return _event("finished", made)

    async def ended(self) -> None:
        """Let the next request of the same name in."""
        if self._once:
            await self._once.release()


def whole(event: Finished, asked: Asked) -> dict[str, Any]:
    """Return a whole answer as JSON holds it."""
    hits = [hit_body(hit) for hit in event.hits]
    return event.answer.model_dump(mode="json") | {"hits": hits, "conversation_id": asked.conversation_id}


def _event(name: str, body: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), encoded(body))


def _again(made: dict[str, Any]) -> Iterator[bytes]:
    """Yield the events of an answer that was given before."""
    yield _event("sources", {"answer_id": made["id"], "conversation_id": made["conversation_id"], "hits": made["hits"]})
    yield _event("finished", made)

"""Conversations of a caller, and what they think of answers. Nobody sees those of somebody else."""

from datetime import UTC, datetime

from fastapi import APIRouter, Response

from llm_engineering.domain.answers import Conversation, Feedback
from llm_engineering.serving.asking import no_conversation
from llm_engineering.serving.problems import Problem
from llm_engineering.serving.proofs import proofs
from llm_engineering.serving.replies import reply
from llm_engineering.serving.service import Asking, TheService
from llm_engineering.serving.service import Rating as MayRate
from llm_engineering.serving.shapes import NewConversation, Rating

router = APIRouter(tags=["conversations"])


@router.post("/conversations", status_code=201, responses={201: {"model": Conversation}})
async def begin(body: NewConversation, service: TheService, caller: Asking) -> Response:
    """Begin a conversation."""
    made = await service.kept(service.state.create_conversation, caller.owner, body.title)
    return reply(made.model_dump(mode="json"), 201)


@router.get("/conversations", responses={200: {"model": list[Conversation]}})
async def conversations(service: TheService, caller: Asking) -> Response:
    """Return the caller's conversations without their turns, the last used first."""
    found = await service.kept(service.state.conversations, caller.owner)
    return reply([conversation.model_dump(mode="json") for conversation in found])


@router.get(
    "/conversations/{conversation_id}",
    responses={200: {"model": Conversation, "description": "with what is known of each turn's answer beside its text"}},
)
async def conversation(conversation_id: str, service: TheService, caller: Asking) -> Response:
    """Return one conversation of the caller with its turns, and with the sources that the caller may see now."""
    found = await service.kept(service.state.conversation, caller.owner, conversation_id)
    if found is None:
        raise no_conversation()
    proven = await proofs(service, caller, found.turns)
    turns = [turn.model_dump(mode="json") | proven.get(turn.answer_id, {}) for turn in found.turns]
    return reply(found.model_dump(mode="json", exclude={"turns"}) | {"turns": turns})


@router.delete("/conversations/{conversation_id}", status_code=204)
async def delete(conversation_id: str, service: TheService, caller: Asking) -> Response:
    """Remove a conversation of the caller."""
    if not await service.kept(service.state.delete_conversation, caller.owner, conversation_id):
        raise no_conversation()
    return Response(status_code=204)


@router.post("/feedback", status_code=204)
async def feedback(body: Rating, service: TheService, caller: MayRate) -> Response:
    """Keep what the caller thinks of an answer that they were given."""
    if await service.kept(service.state.receipt, caller.owner, body.answer_id) is None:
        raise Problem(404, "no_answer", "there is no such answer")
    thought = Feedback(
        answer_id=body.answer_id,
        owner=caller.owner,
        rating=body.rating,
        comment=body.comment,
        at=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )
    await service.kept(service.state.add_feedback, thought)
    return Response(status_code=204)

"""The assistant in OpenAI's shape, for tools that speak it already.

The last message of the user is the question, those before it are the history. Messages of the system are no orders
here: what the assistant may say is not for its callers to decide.
"""

import time
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Response

from llm_engineering.config.serving import Serving
from llm_engineering.domain.answers import Answer, AnswerEvent, Broken, Finished, Piece, Question, Sources
from llm_engineering.domain.conditions import condition_of
from llm_engineering.domain.llms import Message, Usage
from llm_engineering.serving.asking import Asked, answered
from llm_engineering.serving.callers import Caller
from llm_engineering.serving.problems import Problem
from llm_engineering.serving.replies import encoded, reply
from llm_engineering.serving.service import KEYED, Asking, Service, TheService
from llm_engineering.serving.shapes import LONGEST_QUESTION, Chat
from llm_engineering.serving.streaming import AnswerStream

router = APIRouter(prefix="/v1", tags=["OpenAI's shape"])
SPEAKERS = ("user", "assistant")


@router.get("/models", dependencies=[KEYED])
async def models(service: TheService) -> Response:
    """List the models that can answer."""
    return reply({"object": "list", "data": [_model(name) for name in service.assistant.models()]})


@router.get("/models/{name:path}", dependencies=[KEYED])
async def model(name: str, service: TheService) -> Response:
    """Return one model."""
    if name not in service.assistant.models():
        raise _no_model(service, name)
    return reply(_model(name))


@router.post("/chat/completions")
async def complete(body: Chat, service: TheService, caller: Asking) -> Response:
    """Answer the last message of the user."""
    asked = Asked(caller, _question(service, caller, body))
    named = body.model or service.assistant.models()[0]
    if body.stream:
        usage = body.stream_options is not None and body.stream_options.include_usage
        return AnswerStream(service, asked, Chunks(named, with_usage=usage))
    answer = (await answered(service, asked)).answer
    message = {"role": "assistant", "content": answer.text, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": _finish(answer), "logprobs": None}
    head = _head(answer.id, "chat.completion", named)
    return reply(head | {"choices": [choice], "usage": _usage(answer.usage)} | _more(answer))


def _question(service: Service, caller: Caller, body: Chat) -> Question:
    if body.refused:
        raise Problem(400, "unsupported", body.refused)
    spoken = [one for one in body.messages if one.role in SPEAKERS]
    if spoken and spoken[-1].unread:
        kind = spoken[-1].unread
        raise Problem(
            400, "not_text", f"the last message has a part of type {kind!r}; only parts of type 'text' are read"
        )
    said = [Message(role=one.role, content=one.text) for one in spoken]
    if not said or said[-1].role != "user" or not said[-1].content.strip():
        raise Problem(400, "no_question", "the last message must be one of the user, with a text")
    if len(said[-1].content) > LONGEST_QUESTION:
        raise Problem(400, "too_long", f"the question has more than {LONGEST_QUESTION:,} characters")
    if body.model and body.model not in service.assistant.models():
        raise _no_model(service, body.model)
    return Question(
        text=said[-1].content,
        history=_history(said[:-1], service.settings),
        filter=None if body.filter is None else condition_of(body.filter),
        access=caller.access,
        k=body.k,
        llm=body.model or None,
        owner=caller.owner,
    )


def _history(said: Sequence[Message], settings: Serving) -> tuple[Message, ...]:
    """Return the last messages that fit, oldest first. Unlike our own turns, they need not come in pairs."""
    left, chosen = settings.history_characters, list[Message]()
    for message in reversed(said[-2 * settings.history_turns :] if settings.history_turns else ()):
        left -= len(message.content)
        if left < 0:
            break
        chosen.append(message)
    return tuple(reversed(chosen))


class Chunks:
    """Writes an answer as chunks of a chat completion."""

    def __init__(self, model: str, *, with_usage: bool) -> None:
        self._model = model
        self._with_usage = with_usage
        self._id = ""
        self._said = ""

    async def rendered(self, event: AnswerEvent) -> bytes:
        """Return the chunks for an event."""
        match event:
            case Sources(answer_id):
                self._id = answer_id
                return self._chunk({"role": "assistant", "content": ""})
            case Piece(text):
                self._said += text
                return self._chunk({"content": text})
            case Broken(_, reason, detail):
                kind = "invalid_request_error" if reason == "invalid" else "server_error"
                return _data({"error": {"message": detail, "type": kind, "param": None, "code": reason}})
            case Finished(answer):
                return self._last(answer)

    def _last(self, answer: Answer) -> bytes:
        self._id = self._id or answer.id
        body = b""
        if rest := _rest(self._said, answer.text):
            body += self._chunk({"content": rest})
        body += self._chunk({}, _finish(answer), **_more(answer))
        if self._with_usage:
            head = _head(self._id, "chat.completion.chunk", self._model)
            body += _data(head | {"choices": [], "usage": _usage(answer.usage)})
        return body + b"data: [DONE]\n\n"

    def _chunk(self, delta: dict[str, Any], finish: str | None = None, **more: object) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return _data(_head(self._id, "chat.completion.chunk", self._model) | {"choices": [choice]} | more)

    async def ended(self) -> None:
        """Nothing is kept."""


def _rest(said: str, text: str) -> str:
    """Return what is to be said yet. A chunk cannot be taken back, so a text that counts instead of what was said comes
    after it; white space alone makes no other text.

    >>> _rest("It is free", "It is free [1]."), _rest("It is [9] .", "It is."), _rest("It is [1] .", "It is [1].")
    (' [1].', '\\n\\nIt is.', '')
    """
    if "".join(said.split()) == "".join(text.split()):
        return ""
    return text.removeprefix(said) if text.startswith(said) else f"\n\n{text}"


def _data(body: object) -> bytes:
    return b"data: %s\n\n" % encoded(body)


def _head(answer_id: str, kind: str, model: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{answer_id}", "object": kind, "created": int(time.time()), "model": model}


def _finish(answer: Answer) -> str:
    return "length" if "cut" in answer.flags else "stop"


def _usage(usage: Usage) -> dict[str, int]:
    total = usage.input_tokens + usage.output_tokens
    return {"prompt_tokens": usage.input_tokens, "completion_tokens": usage.output_tokens, "total_tokens": total}


def _more(answer: Answer) -> dict[str, Any]:
    """Return what OpenAI's shape has no place for, in fields beside it."""
    return answer.model_dump(mode="json", include={"citations", "flags", "warnings"})


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "llm-engineering"}


def _no_model(service: Service, name: str) -> Problem:
    known = ", ".join(service.assistant.models())
    return Problem(404, "model_not_found", f"the model {name[:100]!r} does not exist; there are {known}")

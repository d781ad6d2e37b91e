"""Answers that are JSON of a given shape: asked for, checked, and asked for once more where they are not."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

from loguru import logger

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.llms import Completion, Delta, LlmRequest, Message
from llm_engineering.domain.ports import Llm
from llm_engineering.infrastructure.llms.failures import SchemaRefused
from llm_engineering.infrastructure.llms.layer import Layer, streaming

_FENCED = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)
_MOST_MISTAKES = 5


class Structured(Layer):
    """Sees to it that the text of a request with a JSON Schema is valid for it.

    The server is given the schema where it takes one; else, or once it has refused it, the model is told in words. What
    comes back is checked either way. If it is wrong, the model is told its mistakes and asked once more. Such an answer
    is streamed in one piece: before it is whole, nothing can be said of it.
    """

    def __init__(self, inner: Llm, *, is_native: bool) -> None:
        super().__init__(inner)
        self._is_native = is_native

    async def complete(self, request: LlmRequest) -> Completion:
        if request.json_schema is None:
            return await self.inner.complete(request)
        check = Check(request.json_schema)
        completion = await self._asked(request)
        mistakes = check.mistakes(completion.text)
        if not mistakes:
            return completion.model_copy(update={"text": plain_json(completion.text)})
        logger.info("model {}: its JSON is not valid for the schema, asking once more", self.card.name)
        try:
            again = await self._asked(_repairing(request, completion.text, mistakes))
        except BackendError as error:
            error.usage = completion.usage
            raise
        usage = completion.usage + again.usage
        if check.mistakes(again.text):
            raise BackendError(
                f"model {self.card.name!r} answered twice with JSON that is not valid for the schema"
                + (" (cut at max_tokens)" if again.finish == "length" else "")
                + "; allow more tokens, simplify the schema, or use a larger model",
                reply=plain_json(again.text),
                usage=usage,
            )
        return again.model_copy(update={"text": plain_json(again.text), "usage": usage})

    async def stream(self, request: LlmRequest) -> AsyncIterator[Delta | Completion]:
        if request.json_schema is not None:
            completion = await self.complete(request)
            yield Delta(completion.text)
            yield completion
            return
        async with streaming(self.inner, request) as events:
            async for event in events:
                yield event

    async def _asked(self, request: LlmRequest) -> Completion:
        if self._is_native:
            try:
                return await self.inner.complete(request)
            except SchemaRefused as error:
                logger.info("{}; it is told in words from now on", error)
                # Only now is it known that the schema was the reason: if it was not, the next call fails again.
                completion = await self.inner.complete(_in_words(request))
                self._is_native = False
                return completion
        return await self.inner.complete(_in_words(request))


class Check:
    """Checks texts against a JSON Schema. References lead nowhere outside of it.

    Raises:
        UsageError: it is no JSON Schema, or refers to another one.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        from jsonschema import SchemaError
        from jsonschema.validators import validator_for
        from referencing import Registry

        kind = validator_for(schema)
        try:
            kind.check_schema(schema)
        except SchemaError as error:
            raise UsageError(f"the schema for an answer is no JSON Schema: {error.message}") from error
        self._validator = kind(schema, registry=Registry())

    def mistakes(self, text: str) -> list[str]:
        """Return what is wrong with a text, nothing if it is valid."""
        from referencing.exceptions import Unresolvable

        try:
            value = json.loads(plain_json(text))
        except (ValueError, RecursionError) as error:
            return [f"it is no JSON: {error}"]
        try:
            found = sorted(self._validator.iter_errors(value), key=lambda error: list(map(str, error.absolute_path)))
        except Unresolvable as error:
            raise UsageError(f"the schema for an answer refers to something that is not in it: {error.ref}") from error
        except RecursionError:
            return ["it is nested too deeply"]
        return [f"{error.json_path}: {error.message[:200]}" for error in found[:_MOST_MISTAKES]]


def plain_json(text: str) -> str:
    """Return the JSON without what models like to add: fences and a few words around it.

    >>> plain_json('Sure:\\n```json\\n{"a": 1}\\n```\\nThat is all.')
    '{"a": 1}'
    """
    found = _FENCED.match(text)
    plain = (found.group(1) if found else text).strip()
    # All from the first brace to the last, or nothing: one of several objects might be any.
    braced = plain[plain.find("{") : plain.rfind("}") + 1]
    return braced if not _is_json(plain) and _is_json(braced) else plain


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _in_words(request: LlmRequest) -> LlmRequest:
    """Return the request with the schema as an instruction."""
    wanted = (
        "Answer with one JSON object and nothing else: no explanation, no Markdown. It must be valid for this JSON "
        f"Schema:\n{json.dumps(request.json_schema, ensure_ascii=False)}"
    )
    system = [message.content for message in request.messages if message.role == "system"]
    others = tuple(message for message in request.messages if message.role != "system")
    first = Message(role="system", content="\n\n".join([*system, wanted]))
    return request.model_copy(update={"messages": (first, *others), "json_schema": None})


def _repairing(request: LlmRequest, text: str, mistakes: list[str]) -> LlmRequest:
    """Return the request with the wrong answer and its mistakes at its end."""
    said = "Your answer is not valid for the schema:\n" + "\n".join(f"- {mistake}" for mistake in mistakes)
    repair = Message(role="user", content=said + "\nAnswer again with the corrected JSON object and nothing else.")
    answer = Message(role="assistant", content=text[:20_000] or "(nothing)")
    return request.model_copy(update={"messages": (*request.messages, answer, repair)})

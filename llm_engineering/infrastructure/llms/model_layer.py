"""Any model of pydantic-ai's model layer, behind our port."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.llms import Completion, Delta, Finish, LlmCard, LlmRequest, Usage
from llm_engineering.infrastructure.llms.counting import likely_prompt, likely_tokens
from llm_engineering.infrastructure.llms.failures import translated

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
    from pydantic_ai.settings import ModelSettings

_FINISHES: dict[str, Finish] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "filtered",
}


class ModelLayerLlm:
    """Speaks to a model through pydantic-ai. Retries, deadlines and limits are layers above it.

    `takes_schema` says that the server is given the JSON Schema of an answer; else `Structured` asks for it in words.
    """

    def __init__(
        self, card: LlmCard, model: "Model[Any]", close: Callable[[], Awaitable[object]], *, takes_schema: bool
    ) -> None:
        self.card = card
        self.takes_schema = takes_schema
        self._model = model
        self._close = close

    async def complete(self, request: LlmRequest) -> Completion:
        from pydantic_ai.direct import model_request

        with translated(self.card.name, has_schema=request.json_schema is not None):
            response = await model_request(
                self._model,
                _messages(request),
                model_settings=_settings(request),
                model_request_parameters=_parameters(request),
                instrument=False,
            )
        return self._completion(request, response)

    async def stream(self, request: LlmRequest) -> AsyncIterator[Delta | Completion]:
        from pydantic_ai.direct import model_request_stream

        with translated(self.card.name, has_schema=request.json_schema is not None):
            async with model_request_stream(
                self._model,
                _messages(request),
                model_settings=_settings(request),
                model_request_parameters=_parameters(request),
                instrument=False,
            ) as response:
                async for piece in _pieces(response):
                    yield Delta(piece)
                completion = self._completion(request, response.get())
        yield completion

    async def close(self) -> None:
        with suppress(RuntimeError):  # its event loop has ended, and the connections with it
            await self._close()

    def _completion(self, request: LlmRequest, response: "ModelResponse") -> Completion:
        text = response.text or ""
        if response.state != "complete" or response.finish_reason is None:
            raise BackendError(f"model {self.card.name!r} broke off in the middle of its answer", transient=True)
        read, written = response.usage.input_tokens, response.usage.output_tokens
        if not read and not written:  # the server does not count
            read, written = likely_prompt(request), likely_tokens(text)
        usage = Usage(calls=1, input_tokens=read, output_tokens=written, cost=self.card.cost(read, written))
        return Completion(
            text=text, model=self.card.name, usage=usage, finish=_FINISHES.get(response.finish_reason, "other")
        )


async def _pieces(response: "StreamedResponse") -> AsyncIterator[str]:
    """Yield the text as it comes; for what is not text (thinking), an empty piece as a sign of life."""
    from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta

    async for event in response:
        if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
            yield event.part.content
        elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
            yield event.delta.content_delta
        else:
            yield ""


def _messages(request: LlmRequest) -> "list[ModelMessage]":
    """Return the conversation as pydantic-ai has it: requests are said to the model, responses by it."""
    from pydantic_ai.messages import ModelRequest, ModelResponse, SystemPromptPart, TextPart, UserPromptPart

    messages: list[ModelMessage] = []
    for message in request.messages:
        if message.role == "assistant":
            messages.append(ModelResponse(parts=[TextPart(message.content)]))
            continue
        part = (SystemPromptPart if message.role == "system" else UserPromptPart)(message.content)
        if messages and isinstance(messages[-1], ModelRequest):
            messages[-1].parts = [*messages[-1].parts, part]
        else:
            messages.append(ModelRequest(parts=[part]))
    return messages


def _settings(request: LlmRequest) -> "ModelSettings":
    from pydantic_ai.settings import ModelSettings

    return ModelSettings(max_tokens=request.max_tokens, temperature=request.temperature)


def _parameters(request: LlmRequest) -> "ModelRequestParameters":
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.output import OutputObjectDefinition

    if request.json_schema is None:
        return ModelRequestParameters()
    wanted = OutputObjectDefinition(json_schema=dict(request.json_schema), name="answer")
    return ModelRequestParameters(output_mode="native", output_object=wanted, allow_text_output=False)

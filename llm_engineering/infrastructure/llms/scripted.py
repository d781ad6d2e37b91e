"""A model that says what it was told to: deterministic, offline, for tests and for trying things out."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from llm_engineering.domain.llms import Completion, Delta, LlmCard, LlmRequest, Usage
from llm_engineering.infrastructure.llms.caching import words
from llm_engineering.infrastructure.llms.prices import card_of
from llm_engineering.infrastructure.llms.settings import LlmSettings


class Scripted(LlmSettings):
    """Kind `scripted`: answers every request with the same text, or, without one, with the last message."""

    kind: Literal["scripted"] = "scripted"
    text: str = Field("", description="what it says; empty: the last message of the conversation")

    @classmethod
    def default_name(cls, section: dict[str, Any]) -> str:  # noqa: ARG003 - it has no model
        """Return the name of its kind."""
        return "scripted"

    def open(self, home: Path | None = None) -> "ScriptedLlm":  # noqa: ARG002 - the signature of every model
        """Open the model."""
        return ScriptedLlm(card_of(self, self.kind, self.name, is_free=True), self.text)


class ScriptedLlm:
    """Says its text, word by word. A token is a word."""

    def __init__(self, card: LlmCard, text: str) -> None:
        self.card = card
        self._text = text

    async def complete(self, request: LlmRequest) -> Completion:
        pieces = list(words(self._text or request.messages[-1].content))
        text = "".join(pieces[: request.max_tokens])
        read, written = sum(len(message.content.split()) for message in request.messages), len(text.split())
        usage = Usage(calls=1, input_tokens=read, output_tokens=written, cost=self.card.cost(read, written))
        finish = "stop" if len(pieces) <= request.max_tokens else "length"
        return Completion(text=text, model=self.card.name, usage=usage, finish=finish)

    async def stream(self, request: LlmRequest) -> AsyncIterator[Delta | Completion]:
        completion = await self.complete(request)
        for piece in words(completion.text):
            yield Delta(piece)
        yield completion

    async def close(self) -> None:
        """Nothing is open."""

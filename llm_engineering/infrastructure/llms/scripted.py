"""A model that says what it was told to: deterministic, offline, for tests and for trying things out."""

import re
from collections.abc import AsyncIterator
from typing import Literal

from pydantic import Field

from llm_engineering.domain.llms import Completion, Delta, LlmCard, LlmRequest, Usage
from llm_engineering.domain.value import Value


class Scripted(Value):
    """Kind `scripted`: answers every request with the same text, or, without one, with the last message."""

    kind: Literal["scripted"] = "scripted"
    name: str = Field("scripted", min_length=1)
    text: str = Field("", description="what it says; empty: the last message of the conversation")

    def open(self) -> "ScriptedLlm":
        """Open the model."""
        return ScriptedLlm(self.name, self.text)


class ScriptedLlm:
    """Says its text, word by word."""

    def __init__(self, name: str, text: str) -> None:
        self.card = LlmCard(name=name, provider="scripted", input_price=0.0, output_price=0.0)
        self._text = text

    async def complete(self, request: LlmRequest) -> Completion:
        text = self._text or request.messages[-1].content
        read = sum(len(message.content.split()) for message in request.messages)
        usage = Usage(calls=1, input_tokens=read, output_tokens=len(text.split()), cost=0.0)
        return Completion(text=text, model=self.card.name, usage=usage)

    async def stream(self, request: LlmRequest) -> AsyncIterator[Delta | Completion]:
        completion = await self.complete(request)
        for piece in re.findall(r"\S+\s*|\s+", completion.text):
            yield Delta(piece)
        yield completion

    async def close(self) -> None:
        """Nothing is open."""

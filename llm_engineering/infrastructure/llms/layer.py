"""Layers around a model: each is a model itself and adds one thing."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from llm_engineering.domain.llms import Completion, Delta, LlmRequest
from llm_engineering.domain.ports import Llm


class Layer:
    """Passes everything on to the model inside; each layer replaces what it is about."""

    def __init__(self, inner: Llm) -> None:
        self.inner = inner
        self.card = inner.card

    @property
    def count_tokens(self) -> Callable[[str], int] | None:
        """The model's own count of the tokens of a text, where it has one."""
        return getattr(self.inner, "count_tokens", None)

    async def complete(self, request: LlmRequest) -> Completion:
        return await self.inner.complete(request)

    async def stream(self, request: LlmRequest) -> AsyncIterator[Delta | Completion]:
        async with streaming(self.inner, request) as events:
            async for event in events:
                yield event

    async def close(self) -> None:
        await self.inner.close()


@asynccontextmanager
async def streaming(llm: Llm, request: LlmRequest) -> AsyncIterator[AsyncIterator[Delta | Completion]]:
    """Open a stream and close it at the end, whatever happened: its connection goes now, not when memory is swept."""
    events = llm.stream(request)
    try:
        yield events
    finally:
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()

"""Deadlines: for a call as a whole, and for the silence inside a stream."""

import asyncio
from collections.abc import AsyncIterator

from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.llms import Completion, Delta, LlmRequest
from llm_engineering.domain.ports import Llm
from llm_engineering.infrastructure.llms.layer import Layer, streaming


class Deadline(Layer):
    """Ends a call that takes longer than so many seconds, waiting and retries included."""

    def __init__(self, inner: Llm, seconds: float) -> None:
        super().__init__(inner)
        self._seconds = seconds

    async def complete(self, request: LlmRequest) -> Completion:
        try:
            async with asyncio.timeout(self._seconds):
                return await self.inner.complete(request)
        except TimeoutError:
            raise self._late() from None

    async def stream(self, request: LlmRequest) -> AsyncIterator[Delta | Completion]:
        end = asyncio.get_running_loop().time() + self._seconds
        async with streaming(self.inner, request) as events:
            while True:
                try:
                    # Never across a yield: the time-out must reach this call and not whoever reads it.
                    async with asyncio.timeout_at(end):
                        event = await anext(events, None)
                except TimeoutError:
                    raise self._late() from None
                if event is None:
                    return
                yield event

    def _late(self) -> BackendError:
        return BackendError(
            f"model {self.card.name!r} did not finish within {self._seconds:g} s (limits.timeout); try again, allow "
            "more time, or ask for fewer tokens",
            transient=True,
        )


class Silence(Layer):
    """Ends a stream in which nothing is said for too long. Pieces without text are signs of life and go no further."""

    def __init__(self, inner: Llm, first: float, between: float) -> None:
        super().__init__(inner)
        self._first = first
        self._between = between

    async def stream(self, request: LlmRequest) -> AsyncIterator[Delta | Completion]:
        seconds, setting = self._first, "first_token_timeout"
        async with streaming(self.inner, request) as events:
            while True:
                try:
                    async with asyncio.timeout(seconds):
                        event = await anext(events, None)
                except TimeoutError:
                    raise BackendError(
                        f"model {self.card.name!r} said nothing for {seconds:g} s (limits.{setting}); its connection "
                        "is closed. Try again, or look after its server",
                        transient=True,
                    ) from None
                if event is None:
                    return
                seconds, setting = self._between, "token_timeout"
                if not isinstance(event, Delta) or event.text:
                    yield event

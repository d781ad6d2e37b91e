"""How often a model is called, and how many calls run at once."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable

from llm_engineering.domain.llms import Completion, Delta, LlmRequest
from llm_engineering.domain.ports import Llm
from llm_engineering.infrastructure.llms.counting import likely_prompt
from llm_engineering.infrastructure.llms.layer import Layer, streaming

_MINUTE = 60.0


class Concurrency(Layer):
    """Lets so many calls run at once; others wait, first come, first served."""

    def __init__(self, inner: Llm, most: int) -> None:
        super().__init__(inner)
        self._slots = asyncio.Semaphore(most)

    async def complete(self, request: LlmRequest) -> Completion:
        async with self._slots:
            return await self.inner.complete(request)

    async def stream(self, request: LlmRequest) -> AsyncIterator[Delta | Completion]:
        async with self._slots, streaming(self.inner, request) as events:
            async for event in events:
                yield event


class Pace(Layer):
    """Keeps to so many requests and tokens in any sixty seconds; calls wait until there is room, in their order.

    A call counts its likely prompt and the most that it may write. One that is above the limit alone waits for an empty
    minute and goes.
    """

    def __init__(
        self,
        inner: Llm,
        requests: int | None,
        tokens: int | None,
        clock: Callable[[], float] = time.monotonic,
        window: float = _MINUTE,
    ) -> None:
        super().__init__(inner)
        self._requests = requests
        self._tokens = tokens
        self._clock = clock
        self._window = window
        self._past: deque[tuple[float, int]] = deque()
        self._turn = asyncio.Lock()

    async def complete(self, request: LlmRequest) -> Completion:
        await self._wait(likely_prompt(request) + request.max_tokens)
        return await self.inner.complete(request)

    async def stream(self, request: LlmRequest) -> AsyncIterator[Delta | Completion]:
        await self._wait(likely_prompt(request) + request.max_tokens)
        async with streaming(self.inner, request) as events:
            async for event in events:
                yield event

    async def _wait(self, tokens: int) -> None:
        async with self._turn:
            while (seconds := self._until_room(tokens)) > 0:
                await asyncio.sleep(seconds)
            self._past.append((self._clock(), tokens))

    def _until_room(self, tokens: int) -> float:
        """Return how long until the oldest calls that are in the way are a minute ago."""
        now = self._clock()
        while self._past and self._past[0][0] <= now - self._window:
            self._past.popleft()
        is_many = self._requests is not None and len(self._past) >= self._requests
        used = sum(count for _, count in self._past)
        is_much = self._tokens is not None and bool(self._past) and used + tokens > self._tokens
        return self._past[0][0] + self._window - now + 0.001 if is_many or is_much else 0.0

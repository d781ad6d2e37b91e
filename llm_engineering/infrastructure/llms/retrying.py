"""Asking again after a failure that may pass."""

import asyncio
import random
from collections.abc import AsyncIterator

from loguru import logger

from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.llms import Completion, Delta, LlmRequest
from llm_engineering.domain.ports import Llm
from llm_engineering.infrastructure.llms.failures import LeftAlone
from llm_engineering.infrastructure.llms.layer import Layer, streaming

_FIRST_WAIT = 0.5
_LONGEST_WAIT = 20.0


class Retrying(Layer):
    """Repeats calls whose failure is transient, after as long as the server asks for, else after a random wait.

    The wait grows (full jitter: anything up to 0.5, 1, 2 … 20 s), so that many callers do not come back together. It
    never ends after the deadline: then the failure is passed on at once. A stream that has begun is not repeated,
    unless nobody reads it before its end.
    """

    def __init__(self, inner: Llm, retries: int, within: float, first_wait: float = _FIRST_WAIT) -> None:
        super().__init__(inner)
        self._retries = retries
        self._within = within
        self._first_wait = first_wait

    async def complete(self, request: LlmRequest) -> Completion:
        end = _now() + self._within
        for attempt in range(self._retries + 1):
            try:
                return await self.inner.complete(request)
            except BackendError as error:
                await self._wait(error, attempt, end)
        raise AssertionError("the last attempt returns or raises")

    async def stream(self, request: LlmRequest) -> AsyncIterator[Delta | Completion]:
        end, begun = _now() + self._within, False
        for attempt in range(self._retries + 1):
            try:
                async with streaming(self.inner, request) as events:
                    async for event in events:
                        begun = not request.whole
                        if begun or isinstance(event, Completion):
                            yield event
                return
            except BackendError as error:
                if begun:
                    raise
                await self._wait(error, attempt, end)

    async def _wait(self, error: BackendError, attempt: int, end: float) -> None:
        """Wait before the next attempt, or raise the error if there is to be none."""
        if not error.transient or isinstance(error, LeftAlone) or attempt == self._retries:
            raise error
        most = min(_LONGEST_WAIT, self._first_wait * 2**attempt)
        jitter = random.uniform(0, most)  # noqa: S311 - spreads callers, guards nothing
        # Not a moment before the time that the server names.
        seconds = jitter if error.retry_after is None else error.retry_after + jitter / 4
        if _now() + seconds >= end:
            raise error
        logger.info("model {}: attempt {} failed ({}); again in {:.1f} s", self.card.name, attempt + 1, error, seconds)
        await asyncio.sleep(seconds)


def _now() -> float:
    return asyncio.get_running_loop().time()

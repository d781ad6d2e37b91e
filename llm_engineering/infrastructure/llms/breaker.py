"""A model that is down is left alone for a while, instead of being waited for by every call."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from loguru import logger

from llm_engineering.domain.errors import BackendError, BudgetExceeded, LLMEngineeringError
from llm_engineering.domain.llms import Completion, Delta, LlmRequest
from llm_engineering.domain.ports import Llm
from llm_engineering.infrastructure.llms.failures import LeftAlone
from llm_engineering.infrastructure.llms.layer import Layer, streaming


class Breaker(Layer):
    """After so many attempts in a row that failed for now, refuses further ones for a while; then one tries again.

    It stands inside of what makes calls wait, so that waiting here is not taken for a failure there. A call that was
    given up after `silence` seconds without a word counts as failed: those who ask have time-outs of their own. Any
    other answer of the server, a refusal too, shows that it is there, and so begins anew.
    """

    def __init__(
        self, inner: Llm, failures: int, seconds: float, silence: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(inner)
        self._most = failures
        self._seconds = seconds
        self._silence = silence
        self._clock = clock
        self._failures = 0
        self._until = 0.0
        self._is_tried = False
        self._last = ""

    async def complete(self, request: LlmRequest) -> Completion:
        with self._watched() as call:
            completion = await self.inner.complete(request)
            call.succeeded()
            return completion

    async def stream(self, request: LlmRequest) -> AsyncIterator[Delta | Completion]:
        with self._watched() as call:
            async with streaming(self.inner, request) as events:
                async for event in events:
                    call.said = True
                    if isinstance(event, Completion):
                        call.succeeded()
                    yield event

    @contextmanager
    def _watched(self) -> "Iterator[_Call]":
        """Let a call through, or refuse it, and take note of how it ends.

        Raises:
            LeftAlone: it is refused; `retry_after` says when the next one may be let through.
        """
        call = _Call(self, is_trial=self._admitted())
        began = self._clock()
        try:
            yield call
        except BackendError as error:
            self._note(failed=error.transient, why=str(error))
            raise
        except BudgetExceeded:
            raise
        except LLMEngineeringError:
            self._note(failed=False)
            raise
        except BaseException:
            # Cancelled, or the reader of the stream has gone: that says nothing, unless it waited for long.
            if not call.said and self._clock() - began >= self._silence:
                self._note(failed=True, why=f"it said nothing for {self._clock() - began:.0f} s")
            raise
        finally:
            self._is_tried = self._is_tried and not call.is_trial

    def _admitted(self) -> bool:
        """Return whether the call is the one that tries again."""
        if not self._most or self._failures < self._most:
            return False
        left = self._until - self._clock()
        if left > 0 or self._is_tried:
            wait = max(left, 1.0)
            raise LeftAlone(
                f"model {self.card.name!r} failed {self._failures} times in a row, so it is not asked again for "
                f"{wait:.0f} s (limits.breaker_failures, limits.breaker_seconds). The last time: {self._last}",
                transient=True,
                retry_after=wait,
            )
        self._is_tried = True
        return True

    def _note(self, *, failed: bool, why: str = "") -> None:
        if not failed:
            if self._most and self._failures >= self._most:
                logger.info("model {} answers again", self.card.name)
            self._failures = 0
            return
        self._failures += 1
        self._last = why
        if self._most and self._failures >= self._most:
            self._until = self._clock() + self._seconds
            logger.warning(
                "model {} failed {} times in a row; not asked for {:g} s", self.card.name, self._failures, self._seconds
            )


class _Call:
    """A call that is under way."""

    def __init__(self, breaker: Breaker, *, is_trial: bool) -> None:
        self._breaker = breaker
        self.is_trial = is_trial
        self.said = False

    def succeeded(self) -> None:
        self.said = True
        self._breaker._note(failed=False)

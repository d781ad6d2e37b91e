"""Asking another model when one fails."""

from collections.abc import AsyncIterator, Sequence

from loguru import logger

from llm_engineering.domain.errors import BackendError, BudgetExceeded, LLMEngineeringError
from llm_engineering.domain.llms import Completion, Delta, LlmRequest
from llm_engineering.domain.ports import Llm
from llm_engineering.infrastructure.llms.layer import Layer, streaming


class Fallback(Layer):
    """Asks one model after the other until one answers; a stream that has begun is not given to another, unless nobody
    reads it before its end.

    The completion names the model that answered. A mistake of the user (a wrong key) is passed on at once: hidden by
    another model's answer, it would never be mended.
    """

    def __init__(self, inner: Llm, others: Sequence[Llm]) -> None:
        super().__init__(inner)
        self._all = (inner, *others)

    async def complete(self, request: LlmRequest) -> Completion:
        errors: list[LLMEngineeringError] = []
        for llm in self._all:
            try:
                return await llm.complete(request)
            except (BackendError, BudgetExceeded) as error:
                self._note(errors, llm, error)
        raise _all_failed(errors)

    async def stream(self, request: LlmRequest) -> AsyncIterator[Delta | Completion]:
        errors: list[LLMEngineeringError] = []
        for llm in self._all:
            begun = False
            try:
                async with streaming(llm, request) as events:
                    async for event in events:
                        begun = not request.whole
                        if begun or isinstance(event, Completion):
                            yield event
                return
            except (BackendError, BudgetExceeded) as error:
                if begun:
                    raise
                self._note(errors, llm, error)
        raise _all_failed(errors)

    async def close(self) -> None:
        for llm in self._all:
            await llm.close()

    def _note(self, errors: list[LLMEngineeringError], llm: Llm, error: LLMEngineeringError) -> None:
        errors.append(error)
        if len(errors) < len(self._all):
            following = self._all[len(errors)].card.name
            logger.warning("model {} failed, asking {} instead: {}", llm.card.name, following, error)


def _all_failed(errors: Sequence[LLMEngineeringError]) -> LLMEngineeringError:
    """Return the one error as it is, or all of them in one."""
    failures = [error for error in errors if isinstance(error, BackendError)]
    if len(errors) == 1 or not failures:
        return errors[-1]
    waits = [error.retry_after for error in failures if error.retry_after is not None]
    return BackendError(
        f"none of {len(errors)} models answered: " + "; ".join(str(error) for error in errors),
        transient=any(error.transient for error in failures),
        retry_after=min(waits) if waits else None,
    )

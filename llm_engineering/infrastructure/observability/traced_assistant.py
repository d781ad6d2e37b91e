"""An assistant whose answers leave a trace: what was asked, found, said, and how long each part took."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from loguru import logger

from llm_engineering.domain.answers import AnswerEvent, Broken, Finished, Piece, Question, Sources
from llm_engineering.domain.ports.answers import Assistant
from llm_engineering.infrastructure.observability.answer_spans import Observed, record
from llm_engineering.infrastructure.observability.sessions import current_session
from llm_engineering.infrastructure.observability.span_export import Provider
from llm_engineering.infrastructure.observability.tracing import Content


@dataclass(frozen=True)
class TracedAssistant:
    """The port `Assistant` around another one. Spans are made when an answer has ended, so that none waits for them."""

    inner: Assistant
    provider: Provider
    content: Content = "hashes"

    async def answer(self, question: Question) -> AsyncIterator[AnswerEvent]:
        seen = Observed(question=question, session=current_session(), began=time.time_ns())
        try:
            async with aclosing(self.inner.answer(question)) as events:  # type: ignore[type-var]  # it is a generator
                async for event in events:
                    _note(seen, event)
                    yield event
        except GeneratorExit:
            seen.error = seen.error if seen.last else "cancelled"
            raise
        except BaseException as error:
            seen.error, seen.detail = type(error).__name__, str(error)
            raise
        finally:
            seen.ended = time.time_ns()
            self._record(seen)

    def models(self) -> Sequence[str]:
        return self.inner.models()

    async def close(self) -> None:
        try:
            await self.inner.close()
        finally:
            await asyncio.to_thread(self.provider.close)

    def _record(self, seen: Observed) -> None:
        try:
            record(self.provider.tracer, seen, self.content)
        except Exception as error:  # noqa: BLE001 - a trace is never worth an answer
            logger.warning("the trace of an answer could not be made: {}: {}", type(error).__name__, error)


def _note(seen: Observed, event: AnswerEvent) -> None:
    if isinstance(event, Sources):
        seen.answer_id, seen.retrieved, seen.found = event.answer_id, event.retrieved, time.time_ns()
    elif isinstance(event, Piece):
        seen.first_piece = seen.first_piece or time.time_ns()
    elif isinstance(event, Finished):
        seen.answer_id, seen.answer, seen.last = event.answer.id, event.answer, True
    elif isinstance(event, Broken):
        seen.answer_id = event.answer_id or seen.answer_id
        seen.error, seen.detail, seen.last = event.reason, event.detail, True

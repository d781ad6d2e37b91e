"""Completions that are kept, so that the same request is paid for once."""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from typing import Protocol

from loguru import logger
from pydantic import ValidationError

from llm_engineering.domain.llms import Completion, Delta, LlmRequest, Usage
from llm_engineering.domain.ports import Llm
from llm_engineering.infrastructure.llms.counting import request_digest
from llm_engineering.infrastructure.llms.layer import Layer, streaming


class Keeper(Protocol):
    """Keeps texts for a while: an `AssistantState`, or this process's memory."""

    def cached(self, key: str) -> str | None:
        """Return a kept text, unless it is too old."""
        ...

    def cache(self, key: str, value: str, seconds: float, documents: Collection[str] = ()) -> None:
        """Keep a text that was made from these documents."""
        ...


class Memory:
    """Keeps the texts that were used last, in this process."""

    def __init__(self, most: int = 512, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._texts: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def cached(self, key: str) -> str | None:
        end, text = self._texts.get(key, (0.0, ""))
        if key not in self._texts or end <= self._clock():
            self._texts.pop(key, None)
            return None
        self._texts.move_to_end(key)
        return text

    def cache(self, key: str, value: str, seconds: float, documents: Collection[str] = ()) -> None:  # noqa: ARG002
        self._texts[key] = (self._clock() + seconds, value)
        self._texts.move_to_end(key)
        while len(self._texts) > self._most:
            self._texts.popitem(last=False)


class Cached(Layer):
    """Gives a completion again for the same request at temperature 0, if it came to its end. It then costs nothing.

    `identity` is what tells models apart: kind, model, address. A store that fails is a reason to ask the model, never
    one to give no answer.
    """

    def __init__(self, inner: Llm, keeper: Keeper, seconds: float, identity: object) -> None:
        super().__init__(inner)
        self._keeper = keeper
        self._seconds = seconds
        self._identity = identity

    async def complete(self, request: LlmRequest) -> Completion:
        if (known := await self._known(request)) is not None:
            return known
        completion = await self.inner.complete(request)
        await self._keep(request, completion)
        return completion

    async def stream(self, request: LlmRequest) -> AsyncIterator[Delta | Completion]:
        if (known := await self._known(request)) is not None:
            for piece in words(known.text):
                yield Delta(piece)
            yield known
            return
        async with streaming(self.inner, request) as events:
            async for event in events:
                if isinstance(event, Completion):
                    await self._keep(request, event)
                yield event

    async def _known(self, request: LlmRequest) -> Completion | None:
        if request.temperature > 0:
            return None
        try:
            text = await asyncio.to_thread(self._keeper.cached, self._key(request))
            return None if text is None else Completion.model_validate_json(text)
        except ValidationError:
            logger.warning("model {}: a kept completion cannot be read; asking anew", self.card.name)
        except Exception as error:  # noqa: BLE001 - whatever the store failed with, the model can answer
            logger.warning("model {}: kept completions cannot be reached ({}); asking anew", self.card.name, error)
        return None

    async def _keep(self, request: LlmRequest, completion: Completion) -> None:
        documents = request.documents
        if documents is None or request.temperature > 0 or completion.finish != "stop" or not completion.text:
            return
        kept = completion.model_copy(update={"usage": Usage(), "cached": True})
        try:
            text = kept.model_dump_json()
            await asyncio.to_thread(self._keeper.cache, self._key(request), text, self._seconds, documents)
        except Exception as error:  # noqa: BLE001 - the answer is there; that it is not kept costs money, not truth
            logger.warning("model {}: a completion could not be kept: {}", self.card.name, error)

    def _key(self, request: LlmRequest) -> str:
        return f"llm:{request_digest(request, self._identity)}"


def words(text: str) -> Iterator[str]:
    """Yield a text in pieces of a word each, as a model would stream it.

    >>> list(words("one  two"))
    ['one  ', 'two']
    """
    return iter(re.findall(r"\S+\s*|\s+", text))

"""A model that writes in a thread, and an event loop that reads along."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor

from llm_engineering.domain.errors import BackendError, LLMEngineeringError
from llm_engineering.domain.llms import Completion, Delta, LlmCard, LlmRequest, Usage
from llm_engineering.infrastructure.llms.generation import Generator, Written


class HuggingFaceLlm:
    """Generates in a thread of its own; the event loop is never held up."""

    def __init__(self, card: LlmCard, generator: Generator) -> None:
        self.card = card
        self._generator = generator
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"llm-{card.name}")

    def count_tokens(self, text: str) -> int:
        """Return how many tokens a text has for this model. Safe to use from any thread."""
        return self._generator.count(text)

    async def complete(self, request: LlmRequest) -> Completion:
        events = self.stream(request)
        try:
            async for event in events:
                if isinstance(event, Completion):
                    return event
        finally:
            await events.aclose()
        raise BackendError(f"model {self.card.name!r} ended without an answer")

    async def stream(self, request: LlmRequest) -> AsyncGenerator[Delta | Completion]:
        cancelled = threading.Event()
        loop = asyncio.get_running_loop()
        said: asyncio.Queue[str | Written | Exception] = asyncio.Queue()

        def tell(event: str | Written | Exception) -> None:
            if not cancelled.is_set():
                loop.call_soon_threadsafe(said.put_nowait, event)

        self._thread.submit(self._work, request, tell, cancelled)
        try:
            while isinstance(event := await said.get(), str):
                yield Delta(event)
        finally:
            cancelled.set()
        if isinstance(event, Exception):
            raise event
        usage = Usage(
            calls=1,
            input_tokens=event.read,
            output_tokens=event.written,
            cost=self.card.cost(event.read, event.written),
        )
        yield Completion(text=event.text, model=self.card.name, usage=usage, finish=event.finish)

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _work(
        self, request: LlmRequest, tell: Callable[[str | Written | Exception], None], cancelled: threading.Event
    ) -> None:
        if cancelled.is_set():
            return
        try:
            tell(self._generator.write(request, tell, cancelled))
        except LLMEngineeringError as error:
            tell(error)
        except Exception as error:  # noqa: BLE001 - it must reach the one who waits, whatever it is
            is_memory = type(error).__name__ == "OutOfMemoryError"  # torch's, which is not imported for this
            what = "ran out of memory" if is_memory else f"failed in generation ({type(error).__name__})"
            tell(BackendError(f"model {self.card.name!r} {what}", transient=is_memory))

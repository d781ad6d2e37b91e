"""A language model as a plain function, for code that runs in threads."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import TimeoutError as NotInTime
from contextlib import contextmanager
from threading import Thread

from llm_engineering.application.retrieval import Ask
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.llms import Completion, LlmRequest
from llm_engineering.domain.ports import Llm


@contextmanager
def asking(llm: Llm, seconds: float = 20.0) -> Iterator[Ask]:
    """Yield a function that asks the model on an event loop of a thread of its own, and waits so long for an answer.

    It may be called from several threads at once, but not from within that loop. The model is not closed.
    """
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="ask-llm", daemon=True)
    thread.start()

    def ask(request: LlmRequest) -> Completion:
        waiting = asyncio.run_coroutine_threadsafe(llm.complete(request), loop)
        try:
            return waiting.result(seconds)
        except NotInTime as error:
            waiting.cancel()
            raise BackendError(
                f"the language model {llm.card.name!r} did not answer within {seconds:g} s", transient=True
            ) from error

    try:
        yield ask
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(_cancelled(loop))
        loop.close()


async def _cancelled(loop: asyncio.AbstractEventLoop) -> None:
    """End what is still being waited for."""
    left = asyncio.all_tasks(loop) - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)

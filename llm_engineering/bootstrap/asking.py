"""A language model as a plain function, for code that runs in threads."""

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from contextlib import contextmanager
from threading import Thread
from typing import Any, TypeVar

from llm_engineering.application.retrieval import Ask
from llm_engineering.bootstrap.llms import Accounts, open_default_llm
from llm_engineering.bootstrap.workspace import Workspace
from llm_engineering.config import AssistantConfig
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.llms import Completion, LlmRequest
from llm_engineering.domain.ports import AssistantState, Llm

T = TypeVar("T")


def awaited(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also where an event loop runs already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@contextmanager
def retrieval_ask(
    config: AssistantConfig, state: AssistantState | None, workspace: Workspace, accounts: Accounts
) -> Iterator[Ask | None]:
    """Yield the default model for those stages of the retrieval that ask one, or None if none does.

    It is opened apart from the one that answers, as each belongs to one event loop, and spends of the same budget.
    """
    if not config.llms or '"kind":"llm"' not in config.retrieval.model_dump_json():
        yield None
        return
    with asking(open_default_llm(config.llms, state, workspace, accounts)) as ask:
        yield ask


@contextmanager
def asking(llm: Llm, seconds: float = 20.0) -> Iterator[Ask]:
    """Yield a function that asks the model on an event loop of a thread of its own, and waits so long for an answer.

    It may be called from several threads at once, but not from within that loop. The model is closed in the end, on the
    loop that it belongs to.
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
        loop.run_until_complete(_ended(loop, llm))
        loop.close()


async def _ended(loop: asyncio.AbstractEventLoop, llm: Llm) -> None:
    """End what is still being waited for, then the model."""
    left = asyncio.all_tasks(loop) - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await llm.close()

"""What a service is made of, opened from a configuration."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from fastapi import FastAPI
from loguru import logger

from llm_engineering.application.retrieval import Ask
from llm_engineering.bootstrap import Workspace
from llm_engineering.bootstrap.answering import open_assistant
from llm_engineering.bootstrap.asking import retrieval_ask
from llm_engineering.bootstrap.llms import Accounts, open_llms
from llm_engineering.bootstrap.searching import open_searcher
from llm_engineering.bootstrap.state import open_state
from llm_engineering.config import AssistantConfig
from llm_engineering.config.serving import Serving
from llm_engineering.domain.access import ALL
from llm_engineering.domain.errors import LLMEngineeringError
from llm_engineering.domain.ports import Searcher
from llm_engineering.infrastructure.cores import available_cores
from llm_engineering.infrastructure.observability.tracing import traced
from llm_engineering.infrastructure.vector_stores import Memory
from llm_engineering.serving.app import create_app
from llm_engineering.serving.processors import few_threads
from llm_engineering.serving.search_processes import SearchProcesses
from llm_engineering.serving.service import WAITING_FOR_EACH_THREAD

# What is asked once before the first caller comes, so that models are loaded and files are read by then.
WARMING = "what is this about?"
# Each holds the model for itself, so by default there are no more, however many cores there are.
MOST_PROCESSES = 4
MOST_THREADS = 128


def opened(config: AssistantConfig, workspace: Workspace, stack: ExitStack) -> FastAPI:
    """Return the application of a configuration; the stack closes what was opened for it.

    An index that is not there yet keeps nobody from starting: `/ready` says so, and the first publication is followed.

    Raises:
        UsageError: a key, a model's key or an extra is missing.
    """
    state = open_state(config, workspace)
    stack.callback(state.close)
    accounts = Accounts(workspace)
    ask = stack.enter_context(retrieval_ask(config, state, workspace, accounts))
    processes = _processes(config, ask)
    few_threads(1 if processes else config.serving.threads or available_cores())
    searcher = (
        SearchProcesses(config, workspace.settings, processes)
        if processes
        else open_searcher(config, workspace, ask, lasting=True)
    )
    stack.callback(searcher.close)
    llms = open_llms(config.llms, state, workspace, accounts)
    assistant = traced(open_assistant(config, workspace, searcher=searcher, llms=llms, state=state), config.tracing)
    with ThreadPoolExecutor(processes or 1) as threads:
        list(threads.map(_warm, [searcher] * (processes or 1)))  # read, so that a fault of this program is not lost
    app = create_app(assistant, searcher, state, _places(config.serving, processes))
    app.state.service.on_end = assistant.close
    return app


def _processes(config: AssistantConfig, ask: Ask | None) -> int:
    """Return how many processes search; 0 where threads of this one do.

    A search that asks a language model waits for it most of the time, and a store in memory belongs to its process.
    """
    if ask is not None or isinstance(config.load.store, Memory):
        return 0
    if config.serving.processes is not None:
        return config.serving.processes
    return min(cores, MOST_PROCESSES) if (cores := available_cores()) > 1 else 0


def _places(settings: Serving, processes: int) -> Serving:
    """Return the settings with a thread for each answer whose search waits for its turn with a process.

    A search that is over is then quoted and kept at once: it does not stand in line again, behind those that have not
    begun. As many searches are let in as ever: of each six, five wait.
    """
    if not processes or settings.threads is not None:
        return settings
    waiting = (WAITING_FOR_EACH_THREAD - 1) * processes if settings.waiting is None else settings.waiting
    threads = min(2 * processes + waiting, MOST_THREADS)
    return settings.model_copy(update={"threads": threads, "waiting": 2 * processes + waiting - threads})


def _warm(searcher: Searcher) -> None:
    try:
        searcher.search(WARMING, access=ALL)
    except LLMEngineeringError as error:
        logger.warning("nothing can be searched yet: {}", error)

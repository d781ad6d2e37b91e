"""What a service is made of, opened from a configuration."""

from contextlib import ExitStack

from fastapi import FastAPI
from loguru import logger

from llm_engineering.bootstrap import Workspace
from llm_engineering.bootstrap.answering import open_assistant
from llm_engineering.bootstrap.asking import retrieval_ask
from llm_engineering.bootstrap.llms import Accounts, open_llms
from llm_engineering.bootstrap.searching import open_searcher
from llm_engineering.bootstrap.state import open_state
from llm_engineering.config import AssistantConfig
from llm_engineering.domain.access import ALL
from llm_engineering.domain.errors import LLMEngineeringError
from llm_engineering.domain.ports import Searcher
from llm_engineering.infrastructure.observability.tracing import traced
from llm_engineering.serving.app import create_app
from llm_engineering.serving.processors import few_threads
from llm_engineering.serving.service import available_cores

# What is asked once before the first caller comes, so that models are loaded and files are read by then.
WARMING = "what is this about?"


def opened(config: AssistantConfig, workspace: Workspace, stack: ExitStack) -> FastAPI:
    """Return the application of a configuration; the stack closes what was opened for it.

    An index that is not there yet keeps nobody from starting: `/ready` says so, and the first publication is followed.

    Raises:
        UsageError: a key, a model's key or an extra is missing.
    """
    few_threads(config.serving.threads or available_cores())
    state = open_state(config, workspace)
    stack.callback(state.close)
    accounts = Accounts(workspace)
    ask = stack.enter_context(retrieval_ask(config, state, workspace, accounts))
    searcher = open_searcher(config, workspace, ask)
    stack.callback(searcher.close)
    llms = open_llms(config.llms, state, workspace, accounts)
    assistant = traced(open_assistant(config, workspace, searcher=searcher, llms=llms, state=state), config.tracing)
    _warm(searcher)
    app = create_app(assistant, searcher, state, config.serving)
    app.state.service.on_end = assistant.close
    return app


def _warm(searcher: Searcher) -> None:
    try:
        searcher.search(WARMING, access=ALL)
    except LLMEngineeringError as error:
        logger.warning("nothing can be searched yet: {}", error)

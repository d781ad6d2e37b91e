"""The assistant with everything that it stands on, opened for a batch, a command or an MCP server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from llm_engineering.bootstrap.answering import open_assistant
from llm_engineering.bootstrap.asking import retrieval_ask
from llm_engineering.bootstrap.llms import Accounts, open_llms
from llm_engineering.bootstrap.searching import open_searcher
from llm_engineering.bootstrap.state import open_state
from llm_engineering.bootstrap.workspace import Workspace
from llm_engineering.config import AssistantConfig
from llm_engineering.domain.ports.answers import Assistant, Searcher
from llm_engineering.infrastructure.observability.tracing import traced


@dataclass(frozen=True)
class Inference:
    """An assistant, and the searcher that it asks."""

    assistant: Assistant
    searcher: Searcher


@asynccontextmanager
async def open_inference(config: AssistantConfig, workspace: Workspace | None = None) -> AsyncIterator[Inference]:
    """Open searcher, models, state and assistant for a block, and close them in the reverse order.

    Raises:
        UsageError: there is no index, an extra or a key is missing, or the index needs another model.
        BackendError: a store cannot be reached.
    """
    workspace = workspace or Workspace()
    async with AsyncExitStack() as stack:
        state = await asyncio.to_thread(open_state, config, workspace)
        stack.callback(state.close)
        accounts = Accounts(workspace)
        ask = stack.enter_context(retrieval_ask(config, state, workspace, accounts))
        searcher = await asyncio.to_thread(open_searcher, config, workspace, ask)
        stack.callback(searcher.close)
        llms = open_llms(config.llms, state, workspace, accounts)
        assistant = open_assistant(config, workspace, searcher=searcher, llms=llms, state=state)
        watched = traced(assistant, config.tracing)
        stack.push_async_callback(watched.close)  # it closes the models too
        yield Inference(watched, searcher)

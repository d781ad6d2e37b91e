"""The assistant with everything that it stands on, opened for a batch, a command or an MCP server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from llm_engineering.bootstrap.answering import open_assistant
from llm_engineering.bootstrap.asking import asking
from llm_engineering.bootstrap.llms import open_llms
from llm_engineering.bootstrap.searching import open_searcher
from llm_engineering.bootstrap.state import open_state
from llm_engineering.bootstrap.workspace import Workspace
from llm_engineering.config import AssistantConfig
from llm_engineering.domain.ports.answers import Assistant, AssistantState, Llm, Searcher
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
        ask = stack.enter_context(asking(_first(config, state, workspace))) if _asks_itself(config) else None
        searcher = await asyncio.to_thread(open_searcher, config, workspace, ask)
        stack.callback(searcher.close)
        llms = open_llms(config.llms, state, workspace)
        assistant = open_assistant(config, workspace, searcher=searcher, llms=llms, state=state)
        watched = traced(assistant, config.tracing)
        stack.push_async_callback(watched.close)  # it closes the models too
        yield Inference(watched, searcher)


def _asks_itself(config: AssistantConfig) -> bool:
    """Tell whether a stage of the retrieval asks a model."""
    return bool(config.llms) and '"kind":"llm"' in config.retrieval.model_dump_json()


def _first(config: AssistantConfig, state: AssistantState, workspace: Workspace) -> Llm:
    """Open the default model once more: an opened one belongs to one event loop, and retrieval has its own."""
    return next(iter(open_llms(config.llms, state, workspace).values()))

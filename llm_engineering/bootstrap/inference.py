"""The assistant with everything that it stands on, opened for a batch, a command or an MCP server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

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
    from llm_engineering.bootstrap.answering import open_assistant  # type: ignore[import-untyped,unused-ignore]
    from llm_engineering.bootstrap.llms import open_llms  # type: ignore[import-untyped,unused-ignore]
    from llm_engineering.bootstrap.searching import open_searcher  # type: ignore[import-untyped,unused-ignore]
    from llm_engineering.bootstrap.state import open_state  # type: ignore[import-untyped,unused-ignore]

    workspace = workspace or Workspace()
    async with AsyncExitStack() as stack:
        state = await asyncio.to_thread(open_state, config, workspace)
        stack.callback(state.close)
        llms = open_llms(config.llms, state, workspace)
        for llm in llms.values():
            stack.push_async_callback(llm.close)
        searcher = await asyncio.to_thread(open_searcher, config, workspace)
        stack.callback(searcher.close)
        assistant = traced(open_assistant(config, workspace, searcher=searcher, llms=llms, state=state), config.tracing)
        stack.push_async_callback(assistant.close)
        yield Inference(assistant, searcher)

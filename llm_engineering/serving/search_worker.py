"""A process that searches: it answers the calls that come through a pipe."""

import gc
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from loguru import logger

from llm_engineering.application.retrieval.searcher import FollowingSearcher
from llm_engineering.bootstrap import Workspace
from llm_engineering.bootstrap.searching import open_searcher
from llm_engineering.config import AssistantConfig
from llm_engineering.domain.errors import BackendError, LLMEngineeringError, UsageError
from llm_engineering.infrastructure.observability.logs import configure_logging
from llm_engineering.infrastructure.settings import Settings
from llm_engineering.serving.processors import few_threads

# The calls that ask something, and have their question as first argument.
_ASKING = ("search", "look_up")
# The process that answers has the first turn. Else it waits for those that search, of which there is one for each core:
# at ten times the load that they can bear, refusals took 0.5 s and connections broke.
_GIVES_WAY = 5


@dataclass(frozen=True)
class Call:
    """A call of the port."""

    method: str
    arguments: tuple[Any, ...]
    options: dict[str, Any]


@dataclass(frozen=True)
class Request:
    """Calls for one process. `publication` is what searches saw last, anywhere: none may go back behind it."""

    calls: Sequence[Call]
    publication: str


@dataclass(frozen=True)
class Reply:
    """What a call returned or raised, and the publication that it saw (empty: it saw none)."""

    value: Any = None
    error: Exception | None = None
    publication: str = ""


def work(pipe: Connection, config: AssistantConfig, settings: Settings) -> None:
    """Answer calls until the pipe is closed. Signals are for the service, which lets answers end first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(_GIVES_WAY)
    configure_logging("INFO")
    few_threads(config.serving.processes or 2)
    searcher = open_searcher(config, Workspace(settings=settings), lasting=True, callers=1)
    try:
        answer(pipe, searcher)
        # The first call loaded models and libraries. They stay, so the collector need not go through them ever again,
        # which would hold up a search by some 100 ms each time.
        gc.freeze()
        while True:
            answer(pipe, searcher)
    except (EOFError, OSError):
        searcher.close()


def answer(pipe: Connection, searcher: FollowingSearcher) -> None:
    """Answer the calls of the next request."""
    request: Request = pipe.recv()
    asked = [call.arguments[0] for call in request.calls if call.method in _ASKING]
    if len(asked) > 1:
        try:
            searcher.learn(asked)
        except Exception as error:  # noqa: BLE001 - whose question it was is told by its own search
            logger.debug("questions are embedded one by one: {}", error)
    for call in request.calls:
        pipe.send(_made(searcher, call, request.publication))


def _made(searcher: FollowingSearcher, call: Call, publication: str) -> Reply:
    """Make a call; see to it first that it sees nothing older than calls before it did."""
    try:
        if publication and searcher.publication != publication:
            searcher.look()
        seen = searcher.publication
        return Reply(getattr(searcher, call.method)(*call.arguments, **call.options), None, seen)
    except LLMEngineeringError as error:
        return Reply(error=portable(error))
    except Exception as error:  # noqa: BLE001 - it is told to whoever asked, and the process goes on
        logger.exception("a search failed")
        return Reply(error=RuntimeError(f"a search failed: {type(error).__name__}"))


def portable(error: LLMEngineeringError) -> LLMEngineeringError:
    """Return an error as one that every process can read: subclasses may be made of more than a message."""
    if isinstance(error, UsageError):
        return UsageError(str(error))
    transient, retry_after = getattr(error, "transient", False), getattr(error, "retry_after", None)
    return BackendError(str(error), transient=transient, retry_after=retry_after)

"""Searches in processes of their own: each has an interpreter, and so a processor, to itself."""

import gc
import multiprocessing
import signal
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from threading import Lock
from typing import Any, TypeVar

from loguru import logger

from llm_engineering.bootstrap import Workspace
from llm_engineering.bootstrap.searching import open_searcher
from llm_engineering.config import AssistantConfig
from llm_engineering.domain.access import Access
from llm_engineering.domain.conditions import Filter
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.errors import BackendError, LLMEngineeringError, UsageError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.queries import Found, Retrieved
from llm_engineering.infrastructure.observability.logs import configure_logging
from llm_engineering.infrastructure.settings import Settings
from llm_engineering.serving.line import Line
from llm_engineering.serving.processors import few_threads

T = TypeVar("T")

_SECONDS_TO_END = 5.0


@dataclass(frozen=True)
class _Request:
    """A call of the port. `publication` is what searches saw last, anywhere: none may go back behind it."""

    method: str
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    publication: str


@dataclass(frozen=True)
class _Reply:
    """What a call returned or raised, and the publication that it saw (empty: it saw none)."""

    value: Any = None
    error: Exception | None = None
    publication: str = ""


class _Process:
    """A process that searches, and the pipe to it. One call at a time."""

    def __init__(self, config: AssistantConfig, settings: Settings) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs, config, settings), name="search", daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, request: _Request) -> _Reply:
        """Return the reply.

        Raises:
            EOFError, OSError: the process has ended.
        """
        self._pipe.send(request)
        reply: _Reply = self._pipe.recv()
        return reply

    def close(self) -> None:
        """End the process: it does so when its pipe is closed, or else is made to."""
        self._pipe.close()
        self._process.join(_SECONDS_TO_END)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()


@dataclass
class SearchProcesses:
    """The port `Searcher` over processes that have the index and the model each for themselves.

    As many calls are worked on as there are processes, the others wait. A process that dies is replaced, and its call
    is made once more. Nobody sees an older publication after a newer one, whichever process answers.
    """

    config: AssistantConfig
    settings: Settings
    count: int
    _free: "Line[_Process | None]" = field(default_factory=Line, init=False)
    _all: set[_Process] = field(default_factory=set, init=False)
    _publication: str = field(default="", init=False)
    _closed: bool = field(default=False, init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    def __post_init__(self) -> None:
        for _ in range(self.count):
            self._start()

    def search(self, query: str, *, access: Access, filter: Filter | None = None, k: int | None = None) -> Retrieved:
        return self._call(Retrieved, "search", query, access=access, filter=filter, k=k)

    def look_up(self, query: str, *, access: Access, filter: Filter | None = None, k: int | None = None) -> Found:
        return self._call(Found, "look_up", query, access=access, filter=filter, k=k)

    def manifest(self) -> IndexManifest:
        return self._call(IndexManifest, "manifest")

    def document(self, document_id: str, access: Access) -> CleanedDocument | None:
        return self.documents([document_id], access).get(document_id)

    def documents(self, document_ids: Collection[str], access: Access) -> dict[str, CleanedDocument]:
        return self._call(dict, "documents", list(document_ids), access)

    def facets(self, access: Access) -> Mapping[str, Mapping[str, int]]:
        return self._call(dict, "facets", access)

    def close(self) -> None:
        """End the processes. Calls that wait fail; it can be repeated."""
        with self._lock:
            self._closed, ending = True, list(self._all)
            self._all.clear()
        for process in ending:
            process.close()
            self._free.give(None)

    def _call(self, kind: type[T], method: str, *arguments: Any, **options: Any) -> T:
        """Let the next free process make a call.

        Raises:
            LLMEngineeringError: as the call raised it.
            BackendError: two processes died of it, or this was closed.
        """
        for _ in range(2):
            reply = self._asked(method, arguments, options)
            if reply is None:
                continue
            if reply.error is not None:
                raise reply.error
            assert isinstance(reply.value, kind)  # noqa: S101 - what the port says
            return reply.value
        raise BackendError("the processes that searched ended; the log of the service says more", transient=True)

    def _asked(self, method: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> _Reply | None:
        """Return the reply of the next free process, or None if it died."""
        process = self._free.take()
        if process is None or self._closed:
            self._free.give(None)
            raise BackendError("the search was closed")
        # What was seen last is asked now: while this call waited for a process, others may have seen something newer.
        request = _Request(method, arguments, options, self._publication)
        try:
            reply = process.ask(request)
        except (EOFError, OSError) as error:
            logger.error("a process that searched ended ({}); another takes its place", type(error).__name__)
            self._replace(process)
            return None
        if reply.publication and reply.publication != request.publication:
            # Who sees another publication has just looked which one is the newest.
            self._publication = reply.publication
        self._free.give(process)
        return reply

    def _replace(self, process: _Process) -> None:
        with self._lock:
            known = process in self._all
            self._all.discard(process)
        if known:
            process.close()
            self._start()

    def _start(self) -> None:
        process = _Process(self.config, self.settings)
        with self._lock:
            if not self._closed:
                self._all.add(process)
                self._free.give(process)
                return
        process.close()


def work(pipe: Connection, config: AssistantConfig, settings: Settings) -> None:
    """Answer calls until the pipe is closed. Signals are for the service, which lets answers end first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    configure_logging("INFO")
    few_threads(config.serving.processes or 2)
    searcher = open_searcher(config, Workspace(settings=settings), lasting=True, callers=1)
    try:
        pipe.send(_made(searcher, pipe.recv()))
        # The first call loaded models and libraries. They stay, so the collector need not go through them ever again,
        # which would hold up a search by some 100 ms each time.
        gc.freeze()
        while True:
            pipe.send(_made(searcher, pipe.recv()))
    except (EOFError, OSError):
        searcher.close()


def _made(searcher: Any, request: _Request) -> _Reply:
    """Make a call; see to it first that it sees nothing older than calls before it did."""
    try:
        if request.publication and searcher.publication != request.publication:
            searcher.look()
        publication = searcher.publication
        return _Reply(getattr(searcher, request.method)(*request.arguments, **request.options), None, publication)
    except LLMEngineeringError as error:
        return _Reply(error=_portable(error))
    except Exception as error:  # noqa: BLE001 - it is told to whoever asked, and the process goes on
        logger.exception("a search failed")
        return _Reply(error=RuntimeError(f"a search failed: {type(error).__name__}"))


def _portable(error: LLMEngineeringError) -> LLMEngineeringError:
    """Return an error as one that every process can read: subclasses may be made of more than a message."""
    if isinstance(error, UsageError):
        return UsageError(str(error))
    transient, retry_after = getattr(error, "transient", False), getattr(error, "retry_after", None)
    return BackendError(str(error), transient=transient, retry_after=retry_after)

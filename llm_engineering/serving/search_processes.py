"""Searches in processes of their own: each has an interpreter, and so a processor, to itself.

Searches that wait are given to a process together: it computes the vectors of their questions in one go, in two thirds
of the time, and then answers them one after the other.
"""

import multiprocessing
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeVar

from loguru import logger

from llm_engineering.config import AssistantConfig
from llm_engineering.domain.access import Access
from llm_engineering.domain.conditions import Filter
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.queries import Found, Retrieved
from llm_engineering.infrastructure.settings import Settings
from llm_engineering.serving.line import Line
from llm_engineering.serving.search_worker import Call, Reply, Request, work

T = TypeVar("T")

_SECONDS_TO_END = 5.0
# Calls that a process is given at once. More would gain little, and the last of them would wait longer.
_TOGETHER = 4


class _Process:
    """A process that searches, and the pipe to it. One request at a time, with a reply for each of its calls."""

    def __init__(self, config: AssistantConfig, settings: Settings) -> None:
        context = multiprocessing.get_context("spawn")
        self.publication = ""  # as the request that it works on says
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs, config, settings), name="search", daemon=True)
        self._process.start()
        theirs.close()

    def send(self, request: Request) -> None:
        """Let it begin with the calls of a request.

        Raises:
            OSError: the process has ended.
        """
        self.publication = request.publication
        self._pipe.send(request)

    def receive(self) -> Reply:
        """Return the reply to the next of the calls.

        Raises:
            EOFError, OSError: the process has ended.
        """
        reply: Reply = self._pipe.recv()
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

    As many requests are worked on as there are processes, the other calls wait. A process that dies is replaced, and
    its calls are made once more, each alone, so that one which kills its process does not take others with it. Nobody
    sees an older publication after a newer one, whichever process answers.
    """

    config: AssistantConfig
    settings: Settings
    count: int
    _line: "Line[_Process | None, Call]" = field(init=False)
    _all: set[_Process] = field(default_factory=set, init=False)
    _publication: str = field(default="", init=False)
    _closed: bool = field(default=False, init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    def __post_init__(self) -> None:
        self._line = Line(self.count, _TOGETHER)
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
            self._line.give(None)

    def _call(self, kind: type[T], method: str, *arguments: Any, **options: Any) -> T:
        """Let the next free process make a call.

        Raises:
            LLMEngineeringError: as the call raised it.
            BackendError: two processes died of it, or this was closed.
        """
        for alone in (False, True):
            reply = self._asked(Call(method, arguments, options), alone=alone)
            if reply is None:
                continue
            if reply.error is not None:
                raise reply.error
            assert isinstance(reply.value, kind)  # noqa: S101 - what the port says
            return reply.value
        raise BackendError("the processes that searched ended; the log of the service says more", transient=True)

    def _asked(self, call: Call, *, alone: bool) -> Reply | None:
        """Return the reply of the next free process, or None if it died."""
        turn = self._line.take(call, alone=alone)
        process = turn.server
        if self._closed:
            turn.break_off()
            self._line.give(None)
            raise BackendError("the search was closed")
        if process is None:
            return None
        try:
            if turn.calls:
                # What was seen last is asked now: while they waited for a process, others may have seen more.
                process.send(Request(turn.calls, self._publication))
            reply = process.receive()
        except Exception as error:
            turn.break_off()  # whatever it was: nobody may wait for a reply that nobody will read
            logger.error("a process that searched ended ({}); another takes its place", type(error).__name__)
            self._replace(process)
            if alone and not isinstance(error, EOFError | OSError):
                raise  # the call itself cannot be handed over; before, it may have been another that was sent with it
            return None
        if reply.publication and reply.publication != process.publication:
            # Who sees another publication has just looked which one is the newest.
            self._publication = reply.publication
        turn.pass_on()
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
                self._line.give(process)
                return
        process.close()

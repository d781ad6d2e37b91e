"""Searches in processes of their own: each has an interpreter, and so a processor, to itself.

Searches that wait are given to a process together: it computes the vectors of their questions in one go, in two thirds
of the time, and then answers them one after the other.
"""

import multiprocessing
import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import Any, Generic, TypeVar

from loguru import logger

from llm_engineering.config import AssistantConfig
from llm_engineering.domain.access import Access
from llm_engineering.domain.conditions import Filter
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.queries import Found, Retrieved
from llm_engineering.infrastructure.settings import Settings
from llm_engineering.serving.line import Line, Waiting
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

    def kill(self) -> None:
        """End the process whatever it does; who waits for its reply gets an EOFError."""
        with suppress(ValueError):  # it was closed in this moment
            self._process.kill()

    def close(self) -> None:
        """End the process: it does so when its pipe is closed, or else is made to. It can be repeated."""
        if self._pipe.closed:
            return
        self._pipe.close()
        self._process.join(_SECONDS_TO_END)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()


@dataclass(frozen=True)
class _Asked(Generic[T]):
    """A call, what kind of value it returns, and where that is awaited."""

    call: Call
    kind: type[T]
    reply: "Future[T]" = field(default_factory=Future)

    def fail(self, error: Exception) -> None:
        """Raise an error where the reply is awaited, if it still is."""
        if not self.reply.done() and (self.reply.running() or self.reply.set_running_or_notify_cancel()):
            self.reply.set_exception(error)

    def settle(self, reply: Reply) -> None:
        """Hand a reply on."""
        if reply.error is not None:
            self.reply.set_exception(reply.error)
        else:
            assert isinstance(reply.value, self.kind)  # noqa: S101 - what the port says
            self.reply.set_result(reply.value)


class SearchProcesses:
    """The port `Searcher` over processes that have the index and the model each for themselves.

    As many requests are worked on as there are processes, each seen to by a thread; the other calls wait. A process
    that dies is replaced, and its calls are made once more, each alone, so that one which kills its process does not
    take others with it. Nobody sees an older publication after a newer one, whichever process answers.
    """

    def __init__(self, config: AssistantConfig, settings: Settings, count: int) -> None:
        self.config = config
        self.settings = settings
        self._line: Line[_Asked[Any]] = Line(count, _TOGETHER)
        self._publication = ""
        self._processes = [self._started() for _ in range(count)]
        self._threads = [
            Thread(target=self._serve, args=(number,), name="search process", daemon=True) for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def search(self, query: str, *, access: Access, filter: Filter | None = None, k: int | None = None) -> Retrieved:
        return self.begin_search(query, access=access, filter=filter, k=k).result()

    def begin_search(
        self, query: str, *, access: Access, filter: Filter | None = None, k: int | None = None
    ) -> "Future[Retrieved]":
        """Search without waiting for it. What is cancelled before its turn is not searched."""
        return self._ask(Retrieved, "search", query, access=access, filter=filter, k=k)

    def look_up(self, query: str, *, access: Access, filter: Filter | None = None, k: int | None = None) -> Found:
        return self._ask(Found, "look_up", query, access=access, filter=filter, k=k).result()

    def manifest(self) -> IndexManifest:
        return self._ask(IndexManifest, "manifest").result()

    def document(self, document_id: str, access: Access) -> CleanedDocument | None:
        return self.documents([document_id], access).get(document_id)

    def documents(self, document_ids: Collection[str], access: Access) -> dict[str, CleanedDocument]:
        return self._ask(dict, "documents", list(document_ids), access).result()

    def facets(self, access: Access) -> Mapping[str, Mapping[str, int]]:
        return self._ask(dict, "facets", access).result()

    def close(self) -> None:
        """End the processes, after the calls that they work on. Calls that wait fail; it can be repeated."""
        for asked in self._line.close():
            asked.fail(_closed())
        until = time.monotonic() + _SECONDS_TO_END
        for number, thread in enumerate(self._threads):
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                self._processes[number].kill()
                thread.join()

    def _ask(self, kind: type[T], method: str, *arguments: Any, **options: Any) -> "Future[T]":
        """Let the next free process make a call.

        The future raises an LLMEngineeringError as the call raised it; a BackendError if two processes died of it, or
        this was closed.
        """
        asked = _Asked(Call(method, arguments, options), kind)
        if not self._line.put(asked):
            asked.fail(_closed())
        return asked.reply

    def _started(self) -> _Process:
        return _Process(self.config, self.settings)

    def _serve(self, number: int) -> None:
        """See to one of the processes, and to those that replace it."""
        while waiting := self._line.take():
            left = deque(one for one in waiting if one.alone or one.item.reply.set_running_or_notify_cancel())
            try:
                self._answer(left, self._processes[number])
            except Exception as error:  # noqa: BLE001 - whatever it was: nobody may wait for what nobody will read
                self._replace(number, error)
                self._again(left, error)
        self._processes[number].close()

    def _answer(self, left: "deque[Waiting[_Asked[Any]]]", process: _Process) -> None:
        """Have a process make calls; those that it has answered are taken out."""
        if not left:
            return
        # What was seen last is asked now: while they waited for a process, others may have seen more.
        process.send(Request([one.item.call for one in left], self._publication))
        while left:
            reply = process.receive()
            if reply.publication and reply.publication != process.publication:
                # Who sees another publication has just looked which one is the newest.
                self._publication = reply.publication
            left[0].item.settle(reply)
            left.popleft()

    def _replace(self, number: int, error: Exception) -> None:
        """Start another process. Where that fails, the next call that needs it tries again."""
        self._processes[number].close()
        if self._line.closed:
            return
        logger.error("a process that searched ended ({}); another takes its place", type(error).__name__)
        try:
            self._processes[number] = self._started()
        except Exception as failure:  # noqa: BLE001 - this thread goes on, and tells those who wait
            logger.error("no process can be started: {}", failure)

    def _again(self, calls: Sequence[Waiting[_Asked[Any]]], error: Exception) -> None:
        """Have calls made once more, of which a process broke down, or of others that were sent with them."""
        ended = BackendError("the processes that searched ended; the log of the service says more", transient=True)
        for one in calls:
            if one.alone:
                # What is no end of a pipe is the call's own fault: it cannot be handed over.
                one.item.fail(ended if isinstance(error, EOFError | OSError) else error)
        again = [one for one in calls if not one.alone]
        if not self._line.put_back(again):
            for one in again:
                one.item.fail(_closed())


def _closed() -> BackendError:
    return BackendError("the search was closed")

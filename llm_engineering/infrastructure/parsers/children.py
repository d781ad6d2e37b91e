"""Child processes that parse: started when they are needed, used again, killed when they are slow, replaced."""

import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Any, TypeVar

import llm_engineering
from llm_engineering.domain.errors import BackendError
from llm_engineering.infrastructure.parsers.child import OUT_OF_MEMORY, TOO_DEEP, receive, send

T = TypeVar("T")

_START_SECONDS = 60.0  # for the imports of the child on a busy machine
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR", "TEMP", "SYSTEMROOT")  # no secrets in the parser's environment


class Died(Exception):  # noqa: N818 - it is what happened to the child
    """The child did not answer: it was too slow and got killed, or it fell over."""


class Children:
    """At most so many processes that run a module. Each answers one request at a time; several threads may ask."""

    def __init__(
        self, module: str, memory_mb: int, processes: int, folders: Callable[[], Iterable[str]] = tuple
    ) -> None:
        self._module, self._memory, self._folders = module, memory_mb, folders
        # The one used last is used next, so that who asks one by one has one process.
        self._idle: LifoQueue[Child | None] = LifoQueue()
        for _ in range(processes):
            self._idle.put(None)

    def ask(self, request: Mapping[str, object], timeout: float, most: int, read: Callable[[dict[str, Any]], T]) -> T:
        """Return what `read` makes of a child's answer, which may have `most` bytes.

        Raises:
            Died: no answer in `timeout` seconds, or none that can be read. Another process takes its place.
            BackendError: the process does not start.
        """
        child = self._idle.get()
        try:
            child = child or Child(self._module, self._memory, self._folders())
            return read(child.answer(request, timeout, most))
        except Died:
            child, dead = None, child
            if dead is not None:
                dead.stop()
            raise
        finally:
            self._idle.put(child)

    def close(self) -> None:
        """End the processes that are at rest; the others end with their thread's request."""
        resting = []
        while True:
            try:
                resting.append(self._idle.get_nowait())
            except Empty:
                break
        for child in resting:
            if child is not None:
                child.stop()
            self._idle.put(None)


class Child:
    """The process, and the messages going in and out."""

    def __init__(self, module: str, memory_mb: int, folders: Iterable[str] = ()) -> None:
        self._memory = memory_mb
        self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            [sys.executable, "-P", "-s", "-m", module, str(memory_mb)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(folders),
            close_fds=True,
            cwd=Path(sys.executable).anchor,  # relative names lead nowhere
        )
        self.stop = weakref.finalize(self, _stop, self._process)
        try:
            self.answer(None, _START_SECONDS)
        except Died as error:
            self.stop()
            raise BackendError(f"the parser's process does not start: {error}") from error

    def answer(self, request: Mapping[str, object] | None, timeout: float, most: int = 100) -> dict[str, Any]:
        """Send a request, if there is one, and return the next message.

        Raises:
            Died: no answer in time, or none at all, or one of more than `most` bytes.
        """
        # The watch also ends the wait for a child that does not read: writing into a full pipe blocks.
        watch = threading.Timer(timeout, self._process.kill)
        watch.start()
        try:
            assert self._process.stdin is not None  # noqa: S101 - both were opened as pipes
            assert self._process.stdout is not None  # noqa: S101
            if request is not None:
                send(self._process.stdin, request)
            message = receive(self._process.stdout, most)
        except OSError:
            message = None
        finally:
            expired = watch.finished.is_set()
            watch.cancel()
        if message is None:
            raise Died(f"it took longer than {timeout:g} s" if expired else self._end())
        return message

    def _end(self) -> str:
        """Return how the process ended, for a person."""
        try:
            code = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:  # it lives, so it was its answer
            return "it grew out of all proportion"
        if code == OUT_OF_MEMORY:
            return f"it took more than {self._memory} MB (parse_memory_mb)"
        if code == TOO_DEEP:
            return "it is nested too deep"
        return f"its process fell over ({_name(code)})"


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    with process:  # closes the pipes and waits
        pass


def _name(code: int) -> str:
    """Return the name of the signal that ended a process, or its exit code."""
    return signal.Signals(-code).name if -code in set(signal.Signals) else f"exit code {code}"


def _environment(folders: Iterable[str] = ()) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    package_folder = Path(llm_engineering.__file__).resolve().parents[1]
    return {**kept, "PYTHONPATH": os.pathsep.join([str(package_folder), *folders]), "PYTHONUTF8": "1"}

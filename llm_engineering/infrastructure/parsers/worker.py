"""Parses HTML in a child process that can be killed: hostile pages cost time and memory, never the run."""

import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from loguru import logger

import llm_engineering
from llm_engineering.domain.errors import BackendError, SourceError
from llm_engineering.infrastructure.parsers.child import LARGEST, OUT_OF_MEMORY, TOO_DEEP, receive, send
from llm_engineering.infrastructure.parsers.page import Page, Verdict

_START_SECONDS = 60.0  # for the imports of the child on a busy machine
_MODULE = "llm_engineering.infrastructure.parsers.child"
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR", "TEMP", "SYSTEMROOT")  # no secrets in the parser's environment
# An answer of more bytes than this for each byte of the page is not waited for: it is made of one link written often.
_MOST_GROWTH, _SMALL_ANSWER = 24, 4_000_000


class _Died(Exception):  # noqa: N818 - it is what happened to the child
    """The child did not answer: it was too slow and got killed, or it fell over."""


class HtmlParser:
    """A parser process, started with the first page, used for all, and replaced when it dies.

    One request at a time; calls from several threads wait for each other.
    """

    def __init__(self, timeout_seconds: float, memory_mb: int = 2048) -> None:
        self._timeout = timeout_seconds
        self._memory = memory_mb
        self._child: _Child | None = None
        self._lock = threading.Lock()

    def parse(self, html: str, url: str = "") -> Page:
        """Parse a page. When the main extraction is too slow or dies, all visible text is the result, with a note.

        Raises:
            SourceError: `unparsable`, not even the visible text could be read.
            BackendError: the parser process does not start.
        """
        with self._lock:
            try:
                return self._ask(html, url, article=True)
            except _Died as error:
                note = f"the main extraction was given up, because {error}; this is all visible text"
            try:
                page = self._ask(html, url, article=False)
            except _Died as error:
                raise SourceError("unparsable", f"the parser gave up on this page: {error}") from error
            logger.warning("{}: {}", url[:300], note)
            return replace(page, note=note)

    def close(self) -> None:
        """End the process."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, html: str, url: str, *, article: bool) -> Page:
        if self._child is None:
            self._child = _Child(self._memory)
        request = {"html": html, "url": url, "article": article, "seconds": self._timeout}
        try:
            most = _SMALL_ANSWER + _MOST_GROWTH * len(html)
            return _page(self._child.answer(request, self._timeout, min(most, LARGEST)))
        except _Died:
            self.close()
            raise


class _Child:
    """The process, and the messages going in and out."""

    def __init__(self, memory_mb: int, module: str = _MODULE, folders: Iterable[str] = ()) -> None:
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
        except _Died as error:
            self.stop()
            raise BackendError(f"the parser's process does not start: {error}") from error

    def answer(self, request: Mapping[str, object] | None, timeout: float, most: int = 100) -> dict[str, Any]:
        """Send a request, if there is one, and return the next message.

        Raises:
            _Died: no answer in time, or none at all, or one of more than `most` bytes.
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
            raise _Died(f"it took longer than {timeout:g} s" if expired else self._end())
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


def _page(fields: dict[str, Any]) -> Page:
    try:
        verdict = fields.pop("verdict")
        return Page(**fields, verdict=Verdict(**verdict) if verdict else None)
    except (KeyError, TypeError) as error:  # it is no longer our code that answers
        raise _Died("its answer is no page") from error

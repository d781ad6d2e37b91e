"""Parses HTML in a child process that can be killed: hostile pages cost time and memory, never the run."""

import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import llm_engineering
from llm_engineering.domain.errors import BackendError, SourceError
from llm_engineering.infrastructure.parsers.child import receive, send
from llm_engineering.infrastructure.parsers.page import Page, Verdict

_START_SECONDS = 60.0  # for the imports of the child on a busy machine
_MODULE = "llm_engineering.infrastructure.parsers.child"
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR", "TEMP", "SYSTEMROOT")  # no secrets in the parser's environment


class _Died(Exception):  # noqa: N818 - it is what happened to the child
    """The child did not answer: it was too slow and got killed, or it fell over."""


class HtmlParser:
    """A parser process, started with the first page, used for all, and replaced when it dies.

    One request at a time; calls from several threads wait for each other.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout = timeout_seconds
        self._child: _Child | None = None
        self._lock = threading.Lock()

    def parse(self, html: str, url: str = "") -> Page:
        """Parse a page. When the main extraction is too slow or dies, all visible text is the result.

        Raises:
            SourceError: `unparsable`, not even the visible text could be read.
            BackendError: the parser process does not start.
        """
        with self._lock:
            try:
                return self._ask(html, url, article=True)
            except _Died:
                pass  # a second, simpler attempt follows
            try:
                return self._ask(html, url, article=False)
            except _Died as error:
                raise SourceError("unparsable", f"the parser gave up on this page: {error}") from error

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
            self._child = _Child()
        request = {"html": html, "url": url, "article": article, "seconds": self._timeout}
        try:
            return _page(self._child.answer(request, self._timeout))
        except _Died:
            self.close()
            raise


class _Child:
    """The process, and the messages going in and out."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            [sys.executable, "-P", "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
        self.stop = weakref.finalize(self, _stop, self._process)
        try:
            self.answer(None, _START_SECONDS)
        except _Died as error:
            self.stop()
            raise BackendError(f"the HTML parser's process does not start: {error}") from error

    def answer(self, request: Mapping[str, object] | None, timeout: float) -> dict[str, Any]:
        """Send a request, if there is one, and return the next message.

        Raises:
            _Died: no answer in time, or none at all.
        """
        # The watch also ends the wait for a child that does not read: writing into a full pipe blocks.
        watch = threading.Timer(timeout, self._process.kill)
        watch.start()
        try:
            assert self._process.stdin is not None  # noqa: S101 - both were opened as pipes
            assert self._process.stdout is not None  # noqa: S101
            if request is not None:
                send(self._process.stdin, request)
            message = receive(self._process.stdout)
        except OSError:
            message = None
        finally:
            expired = watch.finished.is_set()
            watch.cancel()
        if message is None:
            raise _Died(f"it took longer than {timeout:g} s" if expired else "its process fell over")
        return message


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    with process:  # closes the pipes and waits
        pass


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    package_folder = Path(llm_engineering.__file__).resolve().parents[1]
    return {**kept, "PYTHONPATH": str(package_folder), "PYTHONUTF8": "1"}


def _page(fields: dict[str, Any]) -> Page:
    verdict = fields.pop("verdict")
    return Page(**fields, verdict=Verdict(**verdict) if verdict else None)

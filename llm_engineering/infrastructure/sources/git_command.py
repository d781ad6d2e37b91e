"""Runs git: never through a shell, never with hooks, within limits, and only the protocols that were asked for."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from llm_engineering.domain.errors import SourceError, UsageError
from llm_engineering.infrastructure.sources.git_complaints import translated
from llm_engineering.infrastructure.sources.git_settings import NO_PROTOCOLS, SAFE, environment

_MAX_OUTPUT = 128_000_000  # the list of about a million files
_MAX_COMPLAINT = 20_000
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Limits:
    """How long git may run, how much it may answer, and how large a folder may grow meanwhile."""

    seconds: float
    output: int = _MAX_OUTPUT
    folder: Path | None = None
    folder_bytes: int = 0


def git(
    arguments: Sequence[str],
    limits: Limits,
    *,
    settings: Sequence[str] = (),
    protocols: str = NO_PROTOCOLS,
    more: Mapping[str, str] | None = None,
) -> bytes:
    """Run git and return its standard output. `settings` are of the form section.key=value; `more` is environment.

    Raises:
        SourceError: git failed; the reason tells why as far as git said so. `timeout` or `too_large` if it went past
            its limits.
        UsageError: git is not installed.
    """
    process = start(arguments, settings=settings, protocols=protocols, more=more)
    watch = _Watch(process, limits)
    try:
        output = watch.output()
    finally:
        stop(process)
    if watch.excess is not None:
        raise SourceError(watch.excess[0], f"git {arguments[-1]} {watch.excess[1]}")
    if process.returncode != 0:
        raise translated(bytes(watch.complaint).decode("utf-8", "replace"))
    return output


def start(
    arguments: Sequence[str],
    *,
    settings: Sequence[str] = (),
    protocols: str = NO_PROTOCOLS,
    more: Mapping[str, str] | None = None,
    complaints: int = subprocess.PIPE,
) -> "subprocess.Popen[bytes]":
    """Start git with pipes for its streams, in a session of its own, so that it can ask nobody anything."""
    options = [part for setting in (*SAFE, *settings) for part in ("-c", setting)]
    try:
        return subprocess.Popen(  # noqa: S603 - a list of arguments, and options end before what users gave
            ["git", "--no-pager", "--no-optional-locks", *options, *arguments],  # noqa: S607 - the user's git
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env={**environment(protocols), **(more or {})},
            start_new_session=True,
        )
    except FileNotFoundError as error:
        message = "git is not installed, or not on the PATH; a git source needs it (https://git-scm.com/downloads)"
        raise UsageError(message) from error


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End git and the helpers that it started, and close the pipes."""
    _kill(process)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with suppress(BrokenPipeError):  # what was not sent yet, to a git that has ended
                pipe.close()
    process.wait()


def _kill(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


@dataclass
class _Watch:
    """Reads what git says, and ends it at its limits; `excess` is the reason code and what happened."""

    process: "subprocess.Popen[bytes]"
    limits: Limits
    complaint: bytearray = field(default_factory=bytearray)
    excess: tuple[str, str] | None = None
    _over: threading.Event = field(default_factory=threading.Event)

    def output(self) -> bytes:
        """Return the standard output of git when it has ended."""
        stdin, stdout, stderr = self.process.stdin, self.process.stdout, self.process.stderr
        assert stdin is not None and stdout is not None and stderr is not None  # noqa: S101, PT018 - they are pipes
        stdin.close()
        threads = [threading.Thread(target=self._listen, args=(stderr,)), threading.Thread(target=self._guard)]
        for thread in threads:
            thread.start()
        try:
            output = stdout.read(self.limits.output + 1)
            if len(output) > self.limits.output:
                self._end("too_large", f"answered with more than {self.limits.output:,} bytes; is it a trap?")
            self.process.wait()
            self._look()  # it may have been faster than the guard
        finally:
            self._over.set()
            _kill(self.process)
            for thread in threads:
                thread.join()
        return output

    def _listen(self, stderr: IO[bytes]) -> None:
        while piece := stderr.read1(8192):  # type: ignore[attr-defined]
            self.complaint += piece[: _MAX_COMPLAINT - len(self.complaint)]

    def _guard(self) -> None:
        deadline = time.monotonic() + self.limits.seconds
        while not self._over.wait(_LOOK_SECONDS):
            if time.monotonic() > deadline:
                self._end("timeout", f"took longer than {self.limits.seconds:g} s (timeout_seconds)")
                break
            self._look()
            if self.excess:
                break

    def _look(self) -> None:
        if self.limits.folder is not None and _size(self.limits.folder) > self.limits.folder_bytes:
            self._end("too_large", f"brought more than {self.limits.folder_bytes:,} bytes (max_repository_bytes)")

    def _end(self, reason: str, message: str) -> None:
        self.excess = self.excess or (reason, message)
        _kill(self.process)


def _size(folder: Path) -> int:
    """Return the bytes of all files below a folder in which git is writing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(Path(place, name)).st_size
            except FileNotFoundError:  # renamed or removed since it was listed
                continue
    return total

"""A lock between processes that dies with its owner: the operating system releases it, whatever kills the process."""

import json
import os
import platform
import sys
from pathlib import Path
from types import TracebackType


class Held(Exception):  # noqa: N818 - a state of the lock, translated by the store
    """Another process, or another part of this one, holds the lock. The text says who, as far as is known."""


class FileLock:
    """A lock on a file, taken at once or not at all.

    Readers share it, a writer has it alone. The file stays when the lock is released: removing it would let two
    processes hold locks on two files of the same name.
    """

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        self.path = path
        self.shared = shared
        self._file = -1

    def __enter__(self) -> "FileLock":
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            lock(file, shared=self.shared)
        except (BlockingIOError, PermissionError) as error:
            os.close(file)
            raise Held(self.owner()) from error
        except OSError:  # this file system has no locks
            os.close(file)
            raise
        self._file = file
        if not self.shared:
            self._sign()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def owner(self) -> str:
        """Describe the process that signed the lock last."""
        try:
            signature = json.loads(self.path.read_text())
            return f"process {signature['pid']} on {signature['host']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"  # it has the lock and is about to sign

    def _sign(self) -> None:
        signature = json.dumps({"pid": os.getpid(), "host": platform.node()}).encode()
        os.truncate(self._file, 0)
        os.write(self._file, signature)


if sys.platform == "win32":
    import msvcrt

    # Windows forbids reading a locked byte: lock one far behind the signature.
    BEHIND = 2**30

    def lock(file: int, *, shared: bool) -> None:
        """Lock the file, or raise OSError. There are no shared locks, and none are needed: open files cannot go."""
        if shared:
            return
        os.lseek(file, BEHIND, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        os.lseek(file, 0, os.SEEK_SET)
else:
    import fcntl

    def lock(file: int, *, shared: bool) -> None:
        """Lock the file, or raise OSError."""
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)

"""A lock between processes that dies with its owner: the operating system releases it, whatever kills the process."""

import json
import os
import platform
import sys
from pathlib import Path
from types import TracebackType

# A number of 20 digits twice, a host's name of 64 characters with all of them escaped, and the names of the fields.
SIGNATURE_BYTES = 512


class Held(Exception):  # noqa: N818 - a state of the lock, translated by the store
    """Another process, or another part of this one, holds the lock. The text says who, as far as is known."""


class FileLock:
    """A lock on a file, taken at once or not at all.

    Readers share it, a writer has it alone and signs it with its process and its run. The file stays when the lock is
    released: removing it would let two processes hold locks on two files of the same name.
    """

    def __init__(self, path: Path, *, shared: bool = False, run: int = 0) -> None:
        self.path = path
        self.shared = shared
        self.run = run
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

    def last_run(self) -> int:
        """Return the run that signed the lock last, or 0."""
        try:
            return int(json.loads(self.path.read_text())["run"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def is_mine(self) -> bool:
        """Return whether the file that this lock is on is still the one that others see under its name."""
        try:
            there, mine = self.path.stat(), os.fstat(self._file)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)

    def _sign(self) -> None:
        # In one write of one length: whoever reads meanwhile finds the last owner's or this one's, never half of one.
        signature = json.dumps({"pid": os.getpid(), "host": platform.node()[:64], "run": self.run})
        os.lseek(self._file, 0, os.SEEK_SET)
        os.write(self._file, signature.ljust(SIGNATURE_BYTES).encode())


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

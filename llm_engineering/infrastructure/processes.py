"""Which process is which, and whether it still lives: a number alone is given again to another process."""

import os
import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """A process of some machine. `started` tells it from a later one of the same number; empty where nobody knows."""

    host: str
    number: int
    started: str

    def __str__(self) -> str:
        return f"process {self.number} on {self.host}"

    @property
    def is_here(self) -> bool:
        """Whether it is, or was, a process of this machine."""
        return self.host == host()

    @property
    def is_dead(self) -> bool:
        """Whether it is known to be gone. Of another machine nothing is known."""
        if not self.is_here:
            return False
        return not is_alive(self.number) or (bool(self.started) and _started(self.number) not in ("", self.started))


def this_process() -> Process:
    """Return the process that calls."""
    return Process(host(), os.getpid(), _started(os.getpid()))


def is_alive(number: int) -> bool:
    """Return whether this machine has a process of this number that still runs; a zombie does not."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's process, so there is one
        return True
    return _state(number) != "Z"


@cache
def host() -> str:
    """Return the name of this machine, with the boot it is in where that is known: after a boot, numbers begin anew."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]
    except OSError:
        return platform.node()
    return f"{platform.node()}/{boot}"


def _started(number: int) -> str:
    """Return the moment the process started, in clock ticks since the boot (Linux), or an empty text."""
    fields = _stat(number)
    return fields[19] if len(fields) > 19 else ""


def _state(number: int) -> str:
    fields = _stat(number)
    return fields[0] if fields else ""


def _stat(number: int) -> list[str]:
    """Return the fields of /proc/<number>/stat after the name, which may itself hold spaces and brackets."""
    try:
        text = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()

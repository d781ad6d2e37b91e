"""What the parser's process gives up before it reads anything: memory, files, other programs, the network.

Each limit holds where the system has it (Linux has all). The time limit is the parent's, and the kernel's behind it.
"""

import ctypes
import os
import sys

# Parsing needs none of these. The hook sees what Python code does; native code has no network of its own here, and
# libxml2 is told by lxml to ask none.
_FORBIDDEN = (
    "socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.startfile",
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown",
    "os.kill", "shutil.", "pty.", "ftplib.", "smtplib.", "urllib.", "http.", "sqlite3.", "pickle.",
)  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_MEGABYTE = 1024 * 1024


def confine(memory_mb: int) -> None:
    """Limit this process for good: call it when everything that parsing needs is imported."""
    if sys.platform == "linux":
        import resource

        # The address space: more than is really used, but the only limit that stops a single huge allocation.
        _lower(resource.RLIMIT_AS, memory_mb * _MEGABYTE)
        _lower(resource.RLIMIT_CORE, 0)
        _lower(resource.RLIMIT_FSIZE, 0)
        _leave_network()
    sys.addaudithook(_refuse)


def limit_processor_time(seconds: float) -> None:
    """Let the kernel end this process if the parent is no longer there to do so."""
    if sys.platform == "linux":
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime + seconds) + 2, hard))


def _lower(limit: int, wanted: int) -> None:
    """Set a limit and its ceiling, unless a stricter one is in force."""
    import resource

    ceiling = resource.getrlimit(limit)[1]
    lowest = wanted if ceiling == resource.RLIM_INFINITY else min(wanted, ceiling)
    resource.setrlimit(limit, (lowest, lowest))


def _leave_network() -> None:
    """Move into a network of our own with nothing in it. Where that is not allowed, the audit hook stands alone."""
    ctypes.CDLL(None).unshare(_NEW_USER | _NEW_NETWORK)


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event.startswith(_FORBIDDEN):
        raise PermissionError(f"the parser's process does not do this: {event}")
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING:
        raise PermissionError(f"the parser's process writes no files: {arguments[0]!r}")

"""Give memory back to the system that the C library keeps after it was freed. Linux with glibc; elsewhere: nothing.

Blocks of a few megabytes and ever other sizes, as a model's intermediate results are, leave holes that the next ones do
not fit into; the process grows by hundreds of megabytes that nobody uses.
"""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any


def give_back_heap() -> None:
    """Return to the system what was freed. It takes some milliseconds, and as many when memory is wanted again."""
    library = c_library()
    if library is not None:
        library.malloc_trim(ctypes.c_size_t(0))


@cache
def c_library() -> Any:
    """Return glibc, or None where there is none (macOS, Windows, musl)."""
    if not Path("/proc/self/maps").exists():
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") and hasattr(library, "madvise") else None

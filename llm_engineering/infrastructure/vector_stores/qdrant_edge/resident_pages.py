"""Give back to the system the pages of files that a writer of the embedded store has done with. Linux only.

The engine maps its files. A page that was once touched counts as memory of the process until the file is closed, so the
process would seem to grow with the index. What is given back stays in the system's cache of files, and is mapped again
when it is touched again.
"""

import ctypes
from pathlib import Path

from llm_engineering.infrastructure.heap import c_library

_DONTNEED = 4  # MADV_DONTNEED: of a shared mapping of a file, nothing is lost by it, written pages included


def give_back_pages(folder: Path) -> None:
    """Unmap, until they are touched again, the pages of all files below a folder that are mapped as shared.

    The one that has the files open must be at rest: another thread that unmaps them meanwhile would have the addresses
    given to somebody else.
    """
    library = c_library()
    if library is None:
        return
    below = f"{folder.resolve()}/"
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        addresses, rights, _, _, _, *name = line.split(None, 5)
        if rights.endswith("s") and name and name[0].startswith(below):
            start, end = (int(address, 16) for address in addresses.split("-"))
            library.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _DONTNEED)

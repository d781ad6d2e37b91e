"""Reading ahead what searches will read of an index.

When the engine opens an index it has the system forget the files that it does not keep in memory: vectors to be scored
again, payloads. Each of their pages is then waited for by the first search that wants it: by each of the first thousand
searches for twenty of them, in an index of 100,000 passages. Read in their order all of them take a second.
"""

import os
from pathlib import Path
from threading import Event, Thread

from loguru import logger

from llm_engineering.infrastructure.vector_stores.folders import blocks_of

# Below a segment of the engine.
READ = ("vector_storage-dense", "payload_storage")
# Of the machine's memory: what is read beyond it would push out what was read before.
SHARE = 4


class Ahead:
    """Reads the files of an index once, in a thread of its own; what was read stays in the system's cache of files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ended = Event()
        self._thread = Thread(target=self._read, name="read-ahead", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Read no further."""
        self._ended.set()
        self._thread.join()

    def _read(self) -> None:
        try:
            files, room = files_of(self._folder), _memory() // SHARE
            if not room or sum(file.stat().st_blocks * 512 for file in files) > room:
                logger.debug("{} is not read ahead: there is not the memory for it", self._folder)
                return
            for path in files:
                with path.open("rb", buffering=0) as file:
                    for _ in blocks_of(file):
                        if self._ended.is_set():
                            return
        except OSError as error:  # searches read for themselves
            logger.debug("{} was not read ahead: {}", self._folder, error)


def files_of(folder: Path) -> list[Path]:
    """Return the files of an index that searches read here and there."""
    return sorted(path for part in READ for path in folder.glob(f"shard/segments/*/{part}/**/*") if path.is_file())


def _memory() -> int:
    """Return the bytes of memory of this machine; 0 where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 0

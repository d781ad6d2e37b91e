"""Refuse to write to a disk that is nearly full.

The engine writes through memory-mapped files, most of them with holes. On a full disk such a write is no error that a
program could handle: the kernel ends the process (SIGBUS). So the space is looked at before.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from llm_engineering.domain.chunks import Point
from llm_engineering.domain.errors import BackendError

MEGABYTE = 2**20
# The engine takes the first 32 MB for vectors at once, and the next when they are full; each payload index takes 7 MB.
SHARD = 64 * MEGABYTE
PAYLOAD_INDEX = 8 * MEGABYTE


def check_space(folder: Path, needed: int) -> None:
    """Raise BackendError if the folder's disk has less space left than is needed, in bytes."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise BackendError(
            f"the disk is nearly full: the index in {folder} needs up to {needed // MEGABYTE} MB to be written, and "
            f"{free // MEGABYTE} MB are left; free some space and run again"
        )


def size_of(points: Sequence[Point]) -> int:
    """Return about how many bytes the points take on disk, with their places in the indexes."""
    return sum(4 * len(point.dense) + 24 * len(point.sparse.indices) + 2_000 + _size(point) for point in points)


def _size(point: Point) -> int:
    return sum(4 * len(value) if isinstance(value, str) else 64 for value in point.payload.values())


def size_of_folder(folder: Path) -> int:
    """Return how many bytes of the disk a folder takes; holes in files count only where nobody knows of them."""
    found = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return sum(512 * file.st_blocks if hasattr(file, "st_blocks") else file.st_size for file in found)

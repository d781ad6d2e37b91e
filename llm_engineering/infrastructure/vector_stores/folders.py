"""Folders that appear and disappear whole: copies that keep holes, files replaced in one step, all on disk."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from io import FileIO
from pathlib import Path

from llm_engineering.domain import failpoints
from llm_engineering.domain.errors import BackendError

BLOCK = 64 * 1024
HOLE = bytes(BLOCK)
SEAL = "seal"
NOT_COPIED = ("readers.lock", "changed", SEAL)
# The engine writes this file anew whenever somebody opens a folder, with the settings that he has.
REWRITTEN = "edge_config.json"


def copy_folder(source: Path, target: Path, *, seal: bool = False) -> None:
    """Copy a folder so that `target` exists complete and on disk, or not at all; a sealed one knows its digest."""
    # Its own name: a writer that was taken for dead may wake up in the middle of its copy.
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(source, part, copy_function=copy_sparse, ignore=shutil.ignore_patterns(*NOT_COPIED))
    if seal:
        (part / SEAL).write_text(fingerprint(part), encoding="ascii")
    sync_tree(part)
    failpoints.reach("publish.in_copy")
    part.rename(target)
    sync(target.parent)


def is_sealed(folder: Path) -> bool:
    """Return whether a sealed folder still holds, byte for byte, what it held when it was sealed."""
    try:
        return (folder / SEAL).read_text(encoding="ascii") == fingerprint(folder)
    except (OSError, UnicodeDecodeError):
        return False


def fingerprint(folder: Path) -> str:
    """Return the digest of the names and contents of all files, but for those that change without a writer."""
    digest = blake2b(digest_size=32)
    ignored = {*NOT_COPIED, REWRITTEN}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in ignored):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        with path.open("rb", buffering=0) as file:
            for start, block in blocks_of(file):
                digest.update(start.to_bytes(8))
                digest.update(block)
    return digest.hexdigest()


def copy_sparse(source: str, target: str) -> str:
    """Copy a file and leave out blocks of zeros: an engine reserves 32 MB for what may be a few kilobytes."""
    with Path(source).open("rb", buffering=0) as reader, Path(target).open("wb") as writer:
        for start, block in blocks_of(reader):
            writer.seek(start)
            writer.write(block)
        writer.truncate(os.fstat(reader.fileno()).st_size)
    return target


def blocks_of(file: FileIO) -> Iterator[tuple[int, bytes]]:
    """Yield where each block that is not all zeros begins, and the block; holes that the system knows are not read."""
    start = 0
    while True:
        try:
            found = os.lseek(file.fileno(), start, os.SEEK_DATA)
        except (AttributeError, OSError) as error:  # no such call, or a file system that knows no holes
            if getattr(error, "errno", None) == errno.ENXIO:  # nothing but a hole is left
                return
            found = start
        # Blocks begin at multiples of their size, or the same content would give other blocks where its holes differ.
        start = found - found % BLOCK
        file.seek(start)
        if not (block := file.read(BLOCK)):
            return
        if block != HOLE[: len(block)]:
            yield start, block
        start += BLOCK


def replace_file(path: Path, text: str) -> None:
    """Write a file in one step: a reader sees the old text or the new one, also after a power failure."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    sync(part)
    part.replace(path)
    sync(path.parent)


def remove_folder(folder: Path) -> None:
    """Remove a folder: first its name, in one step, then its content. One that is in use on Windows stays."""
    if not folder.exists():
        return
    trash = folder.with_name(folder.name + ".part")
    shutil.rmtree(trash, ignore_errors=True)
    try:
        folder.rename(trash)
    except PermissionError:
        return
    failpoints.reach("edge.in_removal")
    shutil.rmtree(trash, ignore_errors=True)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Translate what the file system refuses: no space, no permission, no such lock."""
    try:
        yield
    except OSError as error:
        raise BackendError(f"the feature store in {folder} cannot be written: {error}") from error


def sync_tree(root: Path) -> None:
    """Return when a folder with everything in it is on disk."""
    for folder, _, files in os.walk(root):
        for name in files:
            sync(Path(folder, name))
        sync(Path(folder))


def sync(path: Path) -> None:
    """Return when the file or folder is on disk. Windows can neither open a folder nor needs to."""
    if os.name == "nt" and path.is_dir():
        return
    file = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)

"""Folders that appear and disappear whole: copies that keep holes, files replaced in one step, all on disk."""

import os
import shutil
from pathlib import Path

BLOCK = 64 * 1024
HOLE = bytes(BLOCK)


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder so that `target` exists complete and on disk, or not at all."""
    part = target.with_name(target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(source, part, copy_function=copy_sparse)
    for folder, _, files in os.walk(part):
        for name in files:
            sync(Path(folder, name))
        sync(Path(folder))
    part.rename(target)
    sync(target.parent)


def copy_sparse(source: str, target: str) -> str:
    """Copy a file and leave out blocks of zeros: an engine reserves 32 MB for what may be a few kilobytes."""
    with Path(source).open("rb") as reader, Path(target).open("wb") as writer:
        while block := reader.read(BLOCK):
            if block == HOLE:
                writer.seek(BLOCK, os.SEEK_CUR)
            else:
                writer.write(block)
        writer.truncate(reader.tell())
    return target


def replace_file(path: Path, text: str) -> None:
    """Write a file in one step: a reader sees the old text or the new one, also after a power failure."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    sync(part)
    part.replace(path)
    sync(path.parent)


def remove_folder(folder: Path) -> None:
    """Remove a folder: first its name, in one step, then its content. One that is in use on Windows stays."""
    trash = folder.with_name(folder.name + ".part")
    shutil.rmtree(trash, ignore_errors=True)
    try:
        folder.rename(trash)
    except PermissionError:
        return
    shutil.rmtree(trash, ignore_errors=True)


def sync(path: Path) -> None:
    """Return when the file or folder is on disk. Windows can neither open a folder nor needs to."""
    if os.name == "nt" and path.is_dir():
        return
    file = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)

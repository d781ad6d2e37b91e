"""Lists the files of a folder that a source wants, without ever leaving the folder."""

import errno
import os
import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.sources.globs import is_below_any, matches_any


@dataclass
class Listing:
    """`files` are relative and resolved paths, in order; `rejected` comes with reason and detail.

    `unreadable` names folders that could not be listed: with one of them the listing is not complete. `passed` counts
    by their endings the files that no pattern wants, and none refuses.
    """

    files: list[tuple[str, Path]] = field(default_factory=list)
    rejected: list[tuple[Path, tuple[str, str]]] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    passed: Counter[str] = field(default_factory=Counter)


def shown(path: str) -> str:
    """Return a path as text that can be stored: bytes that are no UTF-8 become escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file to read it. What is opened is what is looked at: it may have become another one meanwhile.

    Raises:
        SourceError: `not_a_file`: a folder, a device, a socket, a link; or a pipe, which would never end.
        OSError: it is gone, or may not be read.
    """
    if os.name == "posix":
        try:
            opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):  # a link; a socket
                raise SourceError("not_a_file", f"{shown(str(path))} is no regular file") from error
            raise
    else:
        opened = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise SourceError("not_a_file", f"{shown(str(path))} is no regular file")
    return os.fdopen(opened, "rb")


def list_folder(root: Path, include: Sequence[str], exclude: Sequence[str]) -> Listing:
    """List the files below a resolved root that match `include` and not `exclude`.

    Links to folders are not followed. A link to a file counts as that file if it lies in the root, once.
    """
    listing = Listing()
    seen: set[Path] = set()

    def note(error: OSError) -> None:
        listing.unreadable.append(shown(str(error.filename)))

    for folder, folders, names in os.walk(root, onerror=note):
        prefix = "" if Path(folder) == root else f"{Path(folder).relative_to(root).as_posix()}/"
        folders[:] = [name for name in folders if not matches_any(prefix + name, exclude)]
        for name in names:
            relative = prefix + name
            if matches_any(relative, exclude):
                continue
            if matches_any(relative, include):
                _enter(Path(folder, name), relative, root, exclude, listing, seen)
            else:
                listing.passed[Path(name).suffix.lower() or name] += 1
    listing.files.sort()
    listing.rejected.sort()
    return listing


def _enter(path: Path, relative: str, root: Path, exclude: Sequence[str], listing: Listing, seen: set[Path]) -> None:
    if path.is_symlink():
        try:
            target = path.resolve(strict=True)
        except (OSError, RuntimeError):  # a dangling link, or a circle of links
            listing.rejected.append((path, ("missing", f"the link {shown(relative)} leads nowhere")))
            return
        if not target.is_relative_to(root):
            listing.rejected.append((path, ("outside", f"the link {shown(relative)} leads out of the folder")))
            return
        relative, path = target.relative_to(root).as_posix(), target
        if is_below_any(relative, exclude):
            return
    if path not in seen:
        seen.add(path)
        listing.files.append((relative, path))

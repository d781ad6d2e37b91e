"""Where the parts of an embedded collection lie, and how they are read and replaced.

feature_store/<collection>/
    writer.lock                  held by the one process that writes; dies with it
    versions/<version>[+<n>]/    shard/ and manifest.json: where the writer works. `at-work` is there while it has
                                 written something that it did not flush, `changed` until the next publication, `broken`
                                 when it could not read it; +<n> counts the moves away from stale writers
    published/<version>-<n>/     copies that readers open: the last one of each version, the last two of all, and those
                                 that are being read
    active.<run>.json            which copy readers open next: the one of the highest run, so that a stale writer that
                                 wakes up after another run changes nothing
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from llm_engineering.domain import failpoints
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.infrastructure.vector_stores.folders import copy_folder, remove_folder, replace_file
from llm_engineering.infrastructure.vector_stores.locks import FileLock, Held

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
KEPT_COPIES = 2
PART = ".part"
MOVED = "+"
AT_WORK = "at-work"
CHANGED = "changed"
BROKEN = "broken"


@dataclass(frozen=True)
class Layout:
    """The folder of one collection."""

    root: Path

    @property
    def writer_lock(self) -> Path:
        return self.root / "writer.lock"

    @property
    def published(self) -> Path:
        return self.root / "published"

    def version(self, version: str) -> Path:
        """Return the folder in which a version is written: the last one that it was moved to."""
        first = self.root / "versions" / checked_name(version, "version")
        return max(self._folders(version), key=_moves, default=first)

    def versions(self) -> list[str]:
        """Return the versions that were created completely."""
        return sorted({folder.name.partition(MOVED)[0] for folder in self._made()})

    def move_away(self) -> None:
        """Copy all versions to folders of new names, where a writer that holds files of the old ones cannot write."""
        for version in self.versions():
            old, new = self.version(version), self.moved(version)
            (old / AT_WORK).touch()  # before the copy: it is the successor's mark too, and comes with the folder
            copy_folder(old, new)
            failpoints.reach("edge.in_move")
            remove_folder(old)

    def moved(self, version: str) -> Path:
        """Return the folder that a version is to be moved to next."""
        old = self.version(version)
        return old.with_name(f"{version}{MOVED}{_moves(old) + 1}")

    def drop(self, version: str) -> None:
        """Remove a version and its copies; a copy that is being read goes with a later publication."""
        for folder in self._folders(version):
            remove_folder(folder)
        self.prune()

    def pointer(self) -> tuple[int, Path | None]:
        """Return the run that last switched, and the copy that readers are to open: None before the first one."""
        pointers = {_run_of(path): path for path in self.root.glob("active.*.json")}
        if not pointers:
            return 0, None
        run = max(pointers)
        try:
            name = json.loads(pointers[run].read_text(encoding="utf-8"))["folder"]
        except FileNotFoundError:
            return self.pointer()  # a newer one took its place since we looked
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BackendError(
                f"{pointers[run]} is damaged ({error}); publish again by `python -m tools.index repair` or a run"
            ) from error
        return run, self.published / str(name)

    def active_copy(self) -> Path | None:
        """Return the copy that readers are to open, or None before the first publication."""
        return self.pointer()[1]

    def copy_for_readers(self, version: str) -> Path:
        """Copy a version to where readers can be pointed to."""
        copy = self.next_copy(version)
        copy_folder(self.version(version), copy, seal=True)
        return copy

    def next_copy(self, version: str) -> Path:
        """Return the folder that the next published copy of a version goes to."""
        self.published.mkdir(exist_ok=True)
        number = max((copy_number(copy) for copy in self.copies()), default=0) + 1
        return self.published / f"{version}-{number}"

    def point_to(self, copy: Path, run: int) -> None:
        """Let readers open a copy from now on, and remove what is no longer needed."""
        replace_file(self.root / f"active.{run}.json", json.dumps({"folder": copy.name}))
        for pointer in self.root.glob("active.*.json"):
            if _run_of(pointer) < run:
                pointer.unlink(missing_ok=True)
        self.prune()

    def copies(self, version: str | None = None) -> list[Path]:
        """Return the complete published copies, of one version or of all, oldest first."""
        copies = [path for path in self.published.glob("*-*") if path.suffix != PART]
        mine = [path for path in copies if version in (None, copy_version(path))]
        return sorted(mine, key=copy_number)

    def prune(self) -> None:
        """Remove all copies except the last of each version, the last ones of all, and those that are in use."""
        copies = [copy for version in self.versions() for copy in self.copies(version)]
        last_of_each = {copy_version(copy): copy for copy in sorted(copies, key=copy_number)}
        kept = {*last_of_each.values(), *sorted(copies, key=copy_number)[-KEPT_COPIES:], self.active_copy()}
        for copy in self.copies():
            if copy in kept:
                continue
            try:
                with FileLock(copy / "readers.lock"):
                    remove_folder(copy)
            except Held:
                continue  # the next publication tries again
        for leftover in [*self.root.glob(f"*/*{PART}"), *self._left_behind()]:
            remove_folder(leftover)

    def _left_behind(self) -> list[Path]:
        """Return the folders that versions were moved away from by a process that was killed at that."""
        return [folder for name in self.versions() for folder in self._folders(name) if folder != self.version(name)]

    def _folders(self, version: str) -> list[Path]:
        """Return the complete folders of a version, moved or not."""
        return [folder for folder in self._made() if folder.name.partition(MOVED)[0] == version]

    def _made(self) -> list[Path]:
        """Return the complete folders of all versions; one that is being copied or removed is none."""
        made = (path.parent for path in self.root.glob("versions/*/manifest.json"))
        return [folder for folder in made if folder.suffix != PART]


def last_run(home: Path, collection: str) -> int:
    """Return the last run that wrote to an embedded collection, or 0."""
    return FileLock(Layout(home / "feature_store" / collection).writer_lock).last_run()


def read_manifest(folder: Path) -> IndexManifest:
    """Read the manifest of a version or of a published copy."""
    try:
        return IndexManifest.model_validate_json((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        raise BackendError(
            f"the manifest of the index in {folder} cannot be read ({type(error).__name__}); remove that folder and "
            "run the feature pipeline to build the index again"
        ) from error


def copy_number(copy: Path) -> int:
    """Return the number at the end of a published copy's name."""
    number = copy.name.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def copy_version(copy: Path) -> str:
    """Return the version that a published copy is of."""
    return copy.name.rpartition("-")[0]


def checked_name(name: str, what: str) -> str:
    """Refuse a name that would leave its folder or that some file system cannot hold."""
    if NAME.fullmatch(name) and not name.endswith((".", PART)):
        return name
    raise UsageError(
        f"{what} {name!r} cannot be a folder's name; use up to 100 letters, digits, dots, underscores and dashes, "
        "beginning with a letter or digit"
    )


def _moves(folder: Path) -> int:
    number = folder.name.partition(MOVED)[2]
    return int(number) if number.isdecimal() else 0


def _run_of(pointer: Path) -> int:
    number = pointer.name.split(".")[1]
    return int(number) if number.isdecimal() else 0

"""Where the parts of an embedded collection lie, and how they are read and replaced.

feature_store/<collection>/
    writer.lock                  held by the one process that writes; dies with it
    versions/<version>/          shard/ and manifest.json: where the writer works
    published/<version>-<n>/     copies that readers open; the last two stay, and those that are being read
    active.json                  which copy readers open next; replaced in one step
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.infrastructure.vector_stores.folders import copy_folder, remove_folder, replace_file
from llm_engineering.infrastructure.vector_stores.locks import FileLock, Held

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
KEPT_COPIES = 2
PART = ".part"


@dataclass(frozen=True)
class Layout:
    """The folder of one collection."""

    root: Path

    @property
    def writer_lock(self) -> Path:
        return self.root / "writer.lock"

    @property
    def pointer(self) -> Path:
        return self.root / "active.json"

    @property
    def published(self) -> Path:
        return self.root / "published"

    def version(self, version: str) -> Path:
        """Return the folder in which a version is written."""
        return self.root / "versions" / checked_name(version, "version")

    def versions(self) -> list[str]:
        """Return the versions that were created completely."""
        return sorted(path.parent.name for path in self.root.glob("versions/*/manifest.json"))

    def active_copy(self) -> Path | None:
        """Return the copy that readers are to open, or None before the first publication."""
        try:
            name = json.loads(self.pointer.read_text(encoding="utf-8"))["folder"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BackendError(
                f"{self.pointer} is damaged ({error}); remove it and run the feature pipeline to publish again"
            ) from error
        return self.published / str(name)

    def publish_copy(self, version: str) -> None:
        """Copy a version for readers, point them to it, and remove older copies."""
        number = max((copy_number(copy) for copy in self.copies()), default=0) + 1
        copy = self.published / f"{version}-{number}"
        self.published.mkdir(exist_ok=True)
        copy_folder(self.version(version), copy)
        replace_file(self.pointer, json.dumps({"folder": copy.name}))
        self._prune()

    def copies(self) -> list[Path]:
        """Return the complete published copies, oldest first."""
        return sorted((path for path in self.published.glob("*-*") if path.suffix != PART), key=copy_number)

    def _prune(self) -> None:
        """Remove all copies except the last ones, which a reader may be about to open, and those that are in use."""
        for copy in self.copies()[:-KEPT_COPIES]:
            try:
                with FileLock(copy / "readers.lock"):
                    remove_folder(copy)
            except Held:
                continue  # the next publication tries again
        for leftover in self.published.glob(f"*{PART}"):
            remove_folder(leftover)


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


def checked_name(name: str, what: str) -> str:
    """Refuse a name that would leave its folder or that some file system cannot hold."""
    if NAME.fullmatch(name) and not name.endswith((".", PART)):
        return name
    raise UsageError(
        f"{what} {name!r} cannot be a folder's name; use up to 100 letters, digits, dots, underscores and dashes, "
        "beginning with a letter or digit"
    )

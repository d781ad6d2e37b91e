"""Files and folders on this machine."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from llm_engineering.domain.documents import Document, Failure, Item, NotModified, document_id
from llm_engineering.domain.errors import SourceError
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.sources.contents import read_content
from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.folders import Listing, list_folder, shown
from llm_engineering.infrastructure.sources.formats import DEFAULT_EXCLUDE, DEFAULT_INCLUDE
from llm_engineering.infrastructure.sources.incidents import incident


def _default_name(data: dict[str, Any]) -> str:
    return f"files:{data.get('root', Path()).expanduser().resolve().as_posix()}"


class Files(Value):
    """A folder with its subfolders, or a single file: a document per file."""

    kind: Literal["files"] = "files"
    root: Path = Field(description="the folder, or a single file, which is then read whatever its name")
    include: tuple[str, ...] = Field(
        DEFAULT_INCLUDE, description="patterns of the files to read; one without a slash holds in every folder"
    )
    exclude: tuple[str, ...] = Field(
        DEFAULT_EXCLUDE, description="patterns of files and folders to leave out; goes before include"
    )
    allow_empty: bool = Field(
        False, description="a folder without a matching file is no failure; what it held before is deleted"
    )
    max_bytes: int = Field(10_000_000, gt=0, description="of one file; a larger one is rejected")
    name: str = Field(
        default_factory=_default_name,
        min_length=1,
        description="what the documents are kept under; files:ROOT by default. Another name is another source",
    )

    def open(self, context: SourceContext) -> "FilesSource":
        """Open the source; nothing is read yet."""
        return FilesSource(self.name, self, context)


@dataclass
class FilesSource:
    """Reads files in the order of their paths."""

    name: str
    spec: Files
    context: SourceContext
    kind: str = "files"

    def read(self) -> Iterator[Item]:
        listing = self._listing()
        if not (listing.files or listing.rejected or self.spec.allow_empty):
            looked_for = ", ".join(self.spec.include[:8]) + (" …" if len(self.spec.include) > 8 else "")
            raise SourceError(
                "empty_source",
                f"no file under {self.spec.root} matches {looked_for}; see include, exclude. What is indexed stays; if "
                "all files are meant to be gone, set allow_empty: true",
            )
        for path, reason in listing.rejected:
            yield incident(SourceError(*reason), path.absolute().as_uri(), self.name)
        for relative, path in listing.files:
            yield self._item(relative, path)
        if listing.unreadable:
            folders = ", ".join(listing.unreadable[:3])
            raise SourceError("unreadable", f"these folders cannot be listed: {folders}; check their permissions")

    def _listing(self) -> Listing:
        root = self.spec.root.expanduser().resolve()
        if not root.exists():
            raise SourceError("missing", f"{self.spec.root} does not exist (looked for {root}); check `root`")
        if not root.is_dir():
            return Listing(files=[(root.name, root)])
        return list_folder(root, self.spec.include, self.spec.exclude)

    def _item(self, relative: str, path: Path) -> Item:
        uri = path.as_uri()
        try:
            raw = self._bytes(path)
            provenance = {"sha256": sha256(raw).hexdigest(), "reader": self.context.reader}
            known = self.context.known(document_id(self.name, uri)) or {}
            if all(known.get(key) == value for key, value in provenance.items()):
                return NotModified(uri, self.name)
            content = read_content(raw, relative, uri, self.context)
        except SourceError as error:
            return incident(error, uri, self.name)
        except OSError as error:
            return Failure(uri, self.name, "unreadable", f"{path} cannot be read: {error.strerror or error}")
        return Document(
            uri=uri,
            source=self.name,
            format=content.format,
            text=content.text,
            title=content.title,
            user_id=self.context.user_id,
            metadata={**self.context.authorship, "path": shown(relative), **content.metadata},
            provenance={**provenance, **content.provenance},
        )

    def _bytes(self, path: Path) -> bytes:
        if not path.is_file():
            raise SourceError("not_a_file", f"{path} is no regular file")
        with path.open("rb") as file:
            raw = file.read(self.spec.max_bytes + 1)
        if len(raw) > self.spec.max_bytes:
            raise SourceError(
                "too_large", f"{path.stat().st_size:,} bytes are more than {self.spec.max_bytes:,} (max_bytes)"
            )
        return raw

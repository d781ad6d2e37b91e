"""Files and folders on this machine."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from loguru import logger
from pydantic import Field

from llm_engineering.domain.documents import Document, Failure, Item, Metadata, NotModified, document_id
from llm_engineering.domain.errors import SourceError
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.settings import STATE_FOLDERS
from llm_engineering.infrastructure.sources.ahead import in_order
from llm_engineering.infrastructure.sources.contents import read_content
from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.folders import Listing, list_folder, open_regular, shown
from llm_engineering.infrastructure.sources.formats import DEFAULT_EXCLUDE, DEFAULT_INCLUDE
from llm_engineering.infrastructure.sources.incidents import incident
from llm_engineering.infrastructure.sources.naming import SourceName, SourcePath
from llm_engineering.infrastructure.sources.places import absent, local_path
from llm_engineering.infrastructure.sources.tenancy import Tenant


def _default_name(data: dict[str, Any]) -> str:
    return f"files:{local_path(data.get('root', '')).as_posix()}"


class Files(Value):
    """A folder with its subfolders, or a single file: a document per file."""

    kind: Literal["files"] = "files"
    root: SourcePath = Field(description="the folder, or a single file, which is then read whatever its name")
    include: tuple[str, ...] = Field(
        DEFAULT_INCLUDE, description="patterns of the files to read; one without a slash holds in every folder"
    )
    exclude: tuple[str, ...] = Field(
        DEFAULT_EXCLUDE, description="patterns of files and folders to leave out; goes before include"
    )
    allow_empty: bool = Field(
        False,
        description="a folder without a matching file is no failure; to delete what it held takes --allow-mass-delete",
    )
    max_bytes: int = Field(10_000_000, gt=0, description="of one file; a larger one is rejected")
    name: SourceName = Field(
        default_factory=_default_name,
        description="what the documents are kept under; files:ROOT by default. Another name is another source",
    )
    tenant: Tenant = None

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
                "all files are meant to be gone, run once with --allow-mass-delete",
            )
        if listing.passed:
            endings = ", ".join(f"{count:,} {shown(ending)}" for ending, count in listing.passed.most_common(8))
            logger.info("{}: files that `include` does not name are not read: {}", self.name, endings)
        for path, reason in listing.rejected:
            yield incident(SourceError(*reason), path.absolute().as_uri(), self.name)
        identities = (document_id(self.name, path.as_uri()) for _, path in listing.files)
        self.context.share()
        known = zip(listing.files, self.context.known_in_pages(identities), strict=True)
        yield from in_order(self._item, known, self.context.fetching.parsers)
        if listing.unreadable:
            folders = ", ".join(listing.unreadable[:3])
            raise SourceError("unreadable", f"these folders cannot be listed: {folders}; check their permissions")

    def _listing(self) -> Listing:
        root = local_path(self.spec.root)
        if not root.exists():
            raise SourceError("missing", f"{absent(self.spec.root, root)}; check `root`")
        if not root.is_dir():
            return Listing(files=[(root.name, root)])
        return self._without_state(root, list_folder(root, self.spec.include, self.spec.exclude))

    def _without_state(self, root: Path, listing: Listing) -> Listing:
        """Leave out what runs wrote, where the home lies inside the folder: else none would ever find an end."""
        home = self.context.home.resolve()
        state = [home / name for name in STATE_FOLDERS if not root.is_relative_to(home / name)]
        if not state or not (home.is_relative_to(root) or root.is_relative_to(home)):
            return listing

        def is_state(path: Path) -> bool:
            return any(path.is_relative_to(folder) for folder in state)

        listing.files = [found for found in listing.files if not is_state(found[1])]
        listing.rejected = [found for found in listing.rejected if not is_state(found[0])]
        return listing

    def _item(self, listed: tuple[tuple[str, Path], Metadata]) -> Item:
        (relative, path), known = listed
        uri = path.as_uri()
        try:
            raw = self._bytes(path)
            provenance = {"sha256": sha256(raw).hexdigest(), "reader": self.context.reader}
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
        with open_regular(path) as file:
            raw = file.read(self.spec.max_bytes + 1)
            if len(raw) > self.spec.max_bytes:
                size = os.fstat(file.fileno()).st_size
                raise SourceError("too_large", f"{size:,} bytes are more than {self.spec.max_bytes:,} (max_bytes)")
        return raw

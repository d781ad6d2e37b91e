"""PDF by pages: a document per page, so that a hit says on which one it stands."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from llm_engineering.domain.documents import Document, Item, NotModified, document_id
from llm_engineering.domain.errors import SourceError
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.sources.contents import how_read, title_in
from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.folders import list_folder, open_regular, shown
from llm_engineering.infrastructure.sources.formats import DEFAULT_EXCLUDE
from llm_engineering.infrastructure.sources.incidents import incident
from llm_engineering.infrastructure.sources.naming import SourceName, SourcePath
from llm_engineering.infrastructure.sources.places import absent, local_path
from llm_engineering.infrastructure.sources.tenancy import Tenant


def _default_name(data: dict[str, Any]) -> str:
    return f"pdf:{local_path(data.get('root', '')).as_posix()}"


class Pdf(Value):
    """PDF files: a document per page, with its number as metadata. `kind: files` makes one document of a whole PDF."""

    kind: Literal["pdf"] = "pdf"
    root: SourcePath = Field(description="a PDF, or a folder, which is read with its subfolders")
    include: tuple[str, ...] = Field(("*.pdf",), description="patterns of the files to read")
    exclude: tuple[str, ...] = Field(DEFAULT_EXCLUDE, description="patterns of files and folders to leave out")
    max_bytes: int = Field(100_000_000, gt=0, description="of one file; a larger one is rejected")
    name: SourceName = Field(
        default_factory=_default_name,
        description="what the documents are kept under; pdf:ROOT by default. Another name is another source",
    )
    tenant: Tenant = None

    def open(self, context: SourceContext) -> "PdfSource":
        """Open the source; nothing is read yet."""
        return PdfSource(self.name, self, context)


@dataclass
class PdfSource:
    """Reads files in the order of their paths, and their pages in theirs. Pages without text are left out."""

    name: str
    spec: Pdf
    context: SourceContext
    kind: str = "pdf"

    def read(self) -> Iterator[Item]:
        root = local_path(self.spec.root)
        if not root.exists():
            raise SourceError("missing", f"{absent(self.spec.root, root)}; check `root`")
        if root.is_dir():
            listing = list_folder(root, self.spec.include, self.spec.exclude)
            files, rejected, unreadable = listing.files, listing.rejected, listing.unreadable
        else:
            files, rejected, unreadable = [(root.name, root)], [], []
        if not files and not rejected:
            raise SourceError("empty_source", f"no file under {self.spec.root} matches {', '.join(self.spec.include)}")
        for path, reason in rejected:
            yield incident(SourceError(*reason), path.absolute().as_uri(), self.name)
        for relative, path in files:
            yield from self._pages(relative, path)
        if unreadable:
            raise SourceError("unreadable", f"these folders cannot be listed: {', '.join(unreadable[:3])}")

    def _pages(self, relative: str, path: Path) -> Iterator[Item]:
        uri = path.as_uri()
        try:
            raw = self._bytes(path)
            stamp = {"sha256": sha256(raw).hexdigest(), "reader": self.context.reader}
            unchanged = self._unchanged(uri, stamp)
            if unchanged:
                yield from (NotModified(uri, self.name, key) for key in unchanged)
                return
            found = self.context.documents.read("pdf", raw)
        except OSError as error:
            yield incident(SourceError("unreadable", f"{path}: {error.strerror or error}"), uri, self.name)
            return
        except SourceError as error:
            # Pages that are stored stay as they are: nobody knows what has become of them.
            keys = list(self._stored(uri))
            yield from (incident(error, uri, self.name, key) for key in keys or [""])
            return
        filled = [number for number, text in enumerate(found["pages"], start=1) if text.strip()]
        for number in filled:
            yield self._document(uri, relative, number, found, {**stamp, "filled": ",".join(map(str, filled))})

    def _bytes(self, path: Path) -> bytes:
        with open_regular(path) as file:
            raw = file.read(self.spec.max_bytes + 1)
        if len(raw) > self.spec.max_bytes:
            raise SourceError("too_large", f"more than {self.spec.max_bytes:,} bytes (max_bytes)")
        return raw

    def _stored(self, uri: str) -> Iterator[str]:
        """Yield the keys of the pages of a file that the warehouse has: the first that is found names all."""
        for number in range(1, 51):  # who begins with more empty pages is read again
            known = self.context.known(document_id(self.name, uri, f"page {number}"))
            if known and known.get("filled"):
                yield from (f"page {page}" for page in str(known["filled"]).split(","))
                return

    def _unchanged(self, uri: str, stamp: Mapping[str, str]) -> list[str]:
        """Return the keys of the stored pages, if all of them were read from these very bytes."""
        keys = list(self._stored(uri))
        known = list(self.context.known_in_pages(document_id(self.name, uri, key) for key in keys))
        same = all(page.get(name) == value for page in known for name, value in stamp.items())
        return keys if keys and same else []

    def _document(
        self, uri: str, relative: str, number: int, found: Mapping[str, Any], provenance: Mapping[str, str]
    ) -> Document:
        text = found["pages"][number - 1]
        title = str(found["title"] or Path(relative).stem)
        heading = title_in(text, "markdown")
        author = {"author": found["author"]} if found.get("author") else {}
        return Document(
            uri=uri,
            source=self.name,
            format="markdown",
            text=text,
            title=f"{title}: {heading}" if heading and heading != title else title,
            key=f"page {number}",
            user_id=self.context.user_id,
            metadata={
                **self.context.authorship,
                "path": shown(relative),
                "page": number,
                "pages": len(found["pages"]),
                **author,
            },
            provenance={**provenance, **how_read(found)},
        )

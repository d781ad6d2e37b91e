"""Mailboxes: a document per message of an mbox file, or of a folder of .eml files or a Maildir."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Literal

from pydantic import Field

from llm_engineering.domain.documents import Document, Item, Metadata, Rejection
from llm_engineering.domain.errors import SourceError
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.sources.contents import how_read, mail_format, mail_text
from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.folders import list_folder, open_regular
from llm_engineering.infrastructure.sources.incidents import incident
from llm_engineering.infrastructure.sources.naming import SourceName, SourcePath
from llm_engineering.infrastructure.sources.places import absent, local_path
from llm_engineering.infrastructure.sources.tenancy import Tenant

_FROM = re.compile(rb"From \S*.*\d{4}\s*$")
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_LINE = 1 << 16


def _default_name(data: dict[str, Any]) -> str:
    return f"mailbox:{local_path(data.get('path', '')).as_posix()}"


class Mailbox(Value):
    """E-mails: an mbox file, or a folder with a file for each message (.eml, Maildir). Attachments are named only."""

    kind: Literal["mailbox"] = "mailbox"
    path: SourcePath = Field(description="an mbox file, or a folder of messages")
    max_bytes: int = Field(
        10_000_000, gt=0, description="of one message with its attachments; a larger one is rejected"
    )
    name: SourceName = Field(
        default_factory=_default_name,
        description="what the documents are kept under; mailbox:PATH by default. Another name is another source",
    )
    tenant: Tenant = None

    def open(self, context: SourceContext) -> "MailboxSource":
        """Open the source; nothing is read yet."""
        return MailboxSource(self.name, self, context)


@dataclass
class MailboxSource:
    """Reads the messages in the order of the file, or of the names of the files."""

    name: str
    spec: Mailbox
    context: SourceContext
    keeps_unshown: bool = False  # a message that cannot be read may be one that is stored
    kind: str = "mailbox"

    def read(self) -> Iterator[Item]:
        path = local_path(self.spec.path)
        if not path.exists():
            raise SourceError("missing", f"{absent(self.spec.path, path)}; check `path`")
        seen: set[str] = set()
        self.keeps_unshown = False
        for place, raw in self._messages(path):
            yield self._item(path.as_uri(), place, raw, seen)
        if not seen:
            raise SourceError("empty_source", f"there is no message in {path}; what is indexed stays")

    def _messages(self, path: Path) -> Iterator[tuple[str, bytes | SourceError]]:
        """Yield place and bytes of each message, or why it cannot be read."""
        most = self.spec.max_bytes
        if not path.is_dir():
            for place, raw in split_mbox(path, most):
                yield place, _too_large(most) if raw is None else raw
            return
        listing = list_folder(path, ("*",), (".*",))
        for file in sorted(file for _, file in listing.files):
            if file.suffix.lower() == ".eml" or file.parent.name in ("cur", "new"):
                yield file.relative_to(path).as_posix(), _bytes(file, most)
        if listing.unreadable:
            folders = ", ".join(listing.unreadable[:3])
            raise SourceError("unreadable", f"these folders cannot be listed: {folders}; check their permissions")

    def _item(self, uri: str, place: str, raw: bytes | SourceError, seen: set[str]) -> Item:
        try:
            if isinstance(raw, SourceError):
                raise raw
            found = self.context.documents.read("mail", raw)
            text = mail_text(found, self.context)
        except SourceError as error:
            self.keeps_unshown = True
            return incident(SourceError(error.reason, f"{place}: {error}"), uri, self.name, _unique(place, seen))
        key = _unique(str(found["key"] or sha256(raw).hexdigest()[:16]), seen)
        if not text.strip():
            return Rejection(uri, self.name, "empty", f"{place} has no text", key=key)
        metadata: Metadata = {name: value for name, value in found["metadata"].items() if value}
        return Document(
            uri=uri,
            source=self.name,
            format=mail_format(found),
            text=text,
            title=str(found["title"]) or "(no subject)",
            key=key,
            user_id=self.context.user_id,
            metadata={**self.context.authorship, **metadata},
            provenance={"place": place, **how_read(found)},
        )


def _unique(key: str, seen: set[str]) -> str:
    number, unique = 1, key
    while unique in seen:
        number += 1
        unique = f"{key}#{number}"
    seen.add(unique)
    return unique


def _bytes(file: Path, most: int) -> bytes | SourceError:
    try:
        with _opened(file) as opened:
            raw = opened.read(most + 1)
    except SourceError as error:
        return error
    except OSError as error:
        return SourceError("unreadable", f"it cannot be read: {error.strerror or error}")
    return raw if len(raw) <= most else _too_large(most)


def _too_large(most: int) -> SourceError:
    return SourceError("too_large", f"it is larger than max_bytes ({most:,})")


def _opened(path: Path) -> BinaryIO:
    try:
        return open_regular(path)
    except OSError as error:
        raise SourceError("unreadable", f"{path} cannot be read: {error.strerror or error}") from error


def split_mbox(path: Path, most: int) -> Iterator[tuple[str, bytes | None]]:
    """Yield the messages of an mbox file, one in memory at a time; no bytes for one of more than `most`.

    Raises:
        SourceError: `unparsable`, it does not begin as an mbox does; `unreadable`.
    """
    number, parts, size, blank = 0, list[bytes](), 0, True
    with _opened(path) as file:
        while line := file.readline(_LINE):
            if blank and _FROM.match(line):
                if number:
                    yield f"message {number}", _QUOTED.sub(rb"\1", b"".join(parts)) if size <= most else None
                number, parts, size, blank = number + 1, [], 0, False
                continue
            if not number and line.strip():
                raise SourceError("unparsable", f"{path} is no mbox: it does not begin with a line `From …`")
            size += len(line)
            if size <= most:
                parts.append(line)
            blank = not line.strip()
    if number:
        yield f"message {number}", _QUOTED.sub(rb"\1", b"".join(parts)) if size <= most else None

"""Mailboxes: a document per message of an mbox file, or of a folder of .eml files or a Maildir."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from llm_engineering.domain.documents import Document, Item, Metadata, Rejection
from llm_engineering.domain.errors import SourceError
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.folders import open_regular
from llm_engineering.infrastructure.sources.incidents import incident
from llm_engineering.infrastructure.sources.tenancy import Tenant

_FROM = re.compile(rb"From \S*.*\d{4}\s*$")
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_LINE = 1 << 16


def _default_name(data: dict[str, Any]) -> str:
    return f"mailbox:{data.get('path', Path()).expanduser().resolve().as_posix()}"


class Mailbox(Value):
    """E-mails: an mbox file, or a folder with a file for each message (.eml, Maildir). Attachments are named only."""

    kind: Literal["mailbox"] = "mailbox"
    path: Path = Field(description="an mbox file, or a folder of messages")
    max_bytes: int = Field(
        10_000_000, gt=0, description="of one message with its attachments; a larger one is rejected"
    )
    name: str = Field(
        default_factory=_default_name,
        min_length=1,
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
        path = self.spec.path.expanduser().resolve()
        if not path.exists():
            raise SourceError("missing", f"{self.spec.path} does not exist (looked for {path}); check `path`")
        seen: set[str] = set()
        self.keeps_unshown = False
        for place, raw in self._messages(path):
            yield self._item(path.as_uri(), place, raw, seen)
        if not seen:
            raise SourceError("empty_source", f"there is no message in {path}; what is indexed stays")

    def _messages(self, path: Path) -> Iterator[tuple[str, bytes | None]]:
        """Yield place and bytes of each message; no bytes where there are more than allowed."""
        if not path.is_dir():
            yield from split_mbox(path, self.spec.max_bytes)
            return
        for file in sorted(path.rglob("*")):
            is_message = file.suffix.lower() == ".eml" or file.parent.name in ("cur", "new")
            if is_message and file.is_file() and not file.is_symlink() and not _is_hidden(file.relative_to(path)):
                with open_regular(file) as opened:
                    raw = opened.read(self.spec.max_bytes + 1)
                yield file.relative_to(path).as_posix(), raw if len(raw) <= self.spec.max_bytes else None

    def _item(self, uri: str, place: str, raw: bytes | None, seen: set[str]) -> Item:
        if raw is None:
            self.keeps_unshown = True
            problem = SourceError("too_large", f"{place} is larger than max_bytes ({self.spec.max_bytes:,})")
            return incident(problem, uri, self.name, _unique(place, seen))
        try:
            found = self.context.documents.read("mail", raw)
            html = "\n\n".join(self.context.parser.parse(page).text for page in found["html"])
        except SourceError as error:
            self.keeps_unshown = True
            return incident(SourceError(error.reason, f"{place}: {error}"), uri, self.name, _unique(place, seen))
        key = _unique(str(found["key"] or sha256(raw).hexdigest()[:16]), seen)
        text = str(found["text"]) or html
        if not text.strip():
            return Rejection(uri, self.name, "empty", f"{place} has no text", key=key)
        metadata: Metadata = {name: value for name, value in found["metadata"].items() if value}
        return Document(
            uri=uri,
            source=self.name,
            format="markdown" if html else "text",
            text=text,
            title=str(found["title"]) or "(no subject)",
            key=key,
            user_id=self.context.user_id,
            metadata={**self.context.authorship, **metadata},
            provenance={"place": place},
        )


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _unique(key: str, seen: set[str]) -> str:
    number, unique = 1, key
    while unique in seen:
        number += 1
        unique = f"{key}#{number}"
    seen.add(unique)
    return unique


def split_mbox(path: Path, most: int) -> Iterator[tuple[str, bytes | None]]:
    """Yield the messages of an mbox file, one in memory at a time; no bytes for one of more than `most`.

    Raises:
        SourceError: `unparsable`, it does not begin as an mbox does.
    """
    number, parts, size, blank = 0, list[bytes](), 0, True
    with open_regular(path) as file:
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

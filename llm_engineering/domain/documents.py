"""Documents on their way from a source into the warehouse, and what else a source can say about an item."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Literal

from llm_engineering.domain.value import Scalar, digest, identity

Format = Literal["markdown", "text", "code", "record"]
Metadata = Mapping[str, Scalar]

# Rejections that mean "this document is no more": what is stored of it goes. After any other rejection (a block page, a
# paywall, robots.txt) the source still has the document and only hides it, so the last good version stays.
GONE = frozenset({"http_404", "http_410", "not_found", "empty", "binary", "content_type", "missing_field", "forgotten"})


def document_id(source: str, uri: str, key: str = "") -> str:
    """Return the id of a document: the uuid5 of its source, its canonical URI and, inside that, its record key.

    The source is part of it because two sources may show the same URI and lose it at different times.
    """
    return identity("document", source, uri, key)


@dataclass(frozen=True, slots=True)
class Document:
    """One document as its source yields it; HTML has become Markdown by then.

    `uri` is canonical; `key` is the record inside it, empty for a whole file. With `source` they are the identity.
    `metadata` is content: it can be filtered on, and a change of it is a change of the document. `provenance` (blob,
    ETag, time of the fetch …) only says where this copy came from and changes nothing.
    """

    uri: str
    source: str
    format: Format
    text: str
    title: str = ""
    key: str = ""
    user_id: str = ""
    metadata: Metadata = field(default_factory=dict)
    provenance: Metadata = field(default_factory=dict)

    @property
    def id(self) -> str:
        return document_id(self.source, self.uri, self.key)

    @property
    def content_hash(self) -> str:
        """SHA-256 over all that counts as content: text, title, format, author and metadata."""
        return digest([self.text, self.title, self.format, self.user_id, dict(self.metadata)])


def storable(document: Document) -> Document:
    """Return the document with metadata that every store can hold.

    A whole number beyond 64 bits becomes text, and one that is not finite is left out, as JSON has none. Both halves of
    a surrogate pair are the character that they stand for, as they are to a reader of JSON.
    """
    kept = {_joined(name): _held(value) for name, value in document.metadata.items() if not _is_endless(value)}
    return document if kept == document.metadata else replace(document, metadata=kept)


def _held(value: Scalar) -> Scalar:
    if isinstance(value, str):
        return _joined(value)
    return str(value) if isinstance(value, int) and not -(2**63) <= value < 2**63 else value


def _joined(text: str) -> str:
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _is_endless(value: Scalar) -> bool:
    return isinstance(value, float) and not isfinite(value)


@dataclass(frozen=True, slots=True)
class Rejection:
    """An item that was reached but is not a document: a block page, a binary, an empty file.

    `reason` is a short stable code, `detail` a sentence for a person.
    """

    uri: str
    source: str
    reason: str
    detail: str
    key: str = ""

    @property
    def document_id(self) -> str:
        return document_id(self.source, self.uri, self.key)


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that could not be reached or read (time-out, 5xx, no connection): the next run tries it again."""

    uri: str
    source: str
    reason: str
    detail: str
    key: str = ""

    @property
    def document_id(self) -> str:
        return document_id(self.source, self.uri, self.key)


@dataclass(frozen=True, slots=True)
class NotModified:
    """The source says that the stored copy of this document is still good (a conditional request answered 304)."""

    uri: str
    source: str
    key: str = ""

    @property
    def document_id(self) -> str:
        return document_id(self.source, self.uri, self.key)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a document is found, by its id: what a person may call it by."""

    id: str
    uri: str
    key: str = ""


Item = Document | Rejection | Failure | NotModified


@dataclass(frozen=True, slots=True)
class CleanedDocument:
    """A document after cleaning. Spans of chunks, hits and citations are character offsets into this `text`.

    `outcome` is what cleaning found, for the report: `language`, `pii.<kind>` → how many; with a `rejected` (reason)
    and `detail`, why nothing of the document is indexed. `failed`: a cleaner raised, so what is indexed of it stays.
    """

    id: str
    uri: str
    source: str
    format: Format
    text: str
    title: str
    content_hash: str
    metadata: Metadata = field(default_factory=dict)
    outcome: Metadata = field(default_factory=dict)

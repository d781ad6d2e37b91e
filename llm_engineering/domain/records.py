"""What the warehouse can tell of things without showing their content: documents, their versions, where they went."""

from dataclasses import dataclass
from typing import Literal

# By what documents are asked for.
NameKind = Literal["id", "uri", "source", "user"]


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """A document without its text. `live` is false for a tombstone; `version` is the run that last changed it."""

    id: str
    uri: str
    key: str
    source: str
    live: bool
    content_hash: str
    version: int
    first_run: int
    last_run: int


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """One version of a document: `run` is the run that stored it, `characters` the length of its text."""

    run: int
    content_hash: str
    format: str
    title: str
    user_id: str
    created_at: str
    characters: int


@dataclass(frozen=True, slots=True)
class ChunkRecord:
    """A chunk in the ledger of an index version: `run` indexed its document, at `content_hash`."""

    chunk_id: str
    document_id: str
    collection: str
    version: str
    content_hash: str
    text_hash: str
    run: int


@dataclass(frozen=True, slots=True)
class IndexedRecord:
    """How many documents and chunks of some set an index version holds."""

    collection: str
    version: str
    documents: int
    chunks: int


@dataclass(frozen=True, slots=True)
class DocumentListing:
    """A live document as a line of a list: `version` is the run that last changed it, `last_run` the last to touch it.

    `characters` is the length of its text.
    """

    id: str
    source: str
    uri: str
    key: str
    title: str
    format: str
    user_id: str
    characters: int
    version: int
    last_run: int


@dataclass(frozen=True, slots=True)
class SourceCount:
    """How many documents of a source are live, and how many are tombstones."""

    source: str
    live: int
    gone: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was refused, by which run, and when that run began (empty where its record is gone)."""

    run: int
    at: str
    document_id: str
    source: str
    uri: str
    key: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class LedgerRecord:
    """A document in the ledger of an index version: `run` indexed it, at `content_hash`, with so many chunks."""

    collection: str
    version: str
    content_hash: str
    chunks: int
    run: int

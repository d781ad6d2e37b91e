"""Chunks, their lexical tokens and their vectors: the features of a document."""

import json
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b, sha256
from typing import TypeAlias

from llm_engineering.domain.documents import Metadata
from llm_engineering.domain.value import identity

# The key in a chunk's metadata that tells the span of its parent, "start-end" in the cleaned document.
PARENT = "parent_span"

# A dense vector: array("f", …), 4 bytes a component. It is the standard library's contiguous float32 buffer, so
# NumPy, Arrow and SQL drivers read it without a copy, and the domain needs none of them.
Vector: TypeAlias = "array[float]"


@dataclass(frozen=True, slots=True)
class SparseVector:
    """A sparse vector: `indices` (unsigned 32-bit, ascending, unique) and their `values`, equally long."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of a cleaned document: `text` equals the document's text at [start, end).

    `context` is what a reader of the passage alone would miss (title, headings above it, the question of a record).
    It is embedded together with the text, and counted in `tokens`, which never exceeds the embedder's window.
    """

    document_id: str
    uri: str
    source: str
    title: str
    position: int
    start: int
    end: int
    text: str
    context: str
    tokens: int
    metadata: Metadata = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The uuid5 of the document, the span and the text: the same text elsewhere is another chunk."""
        return identity("chunk", self.document_id, str(self.start), str(self.end), self.embedded_text)

    @property
    def embedded_text(self) -> str:
        """What the embedder and the lexical index see: the context, a line break, the text."""
        return f"{self.context}\n{self.text}" if self.context else self.text

    @property
    def text_hash(self) -> str:
        """SHA-256 of the embedded text: with the model's digest, the key under which its vector is kept."""
        return sha256(self.embedded_text.encode()).hexdigest()

    @property
    def payload(self) -> dict[str, object]:
        """What a hit needs to be shown, cited and filtered, in plain JSON types."""
        return {
            "document_id": self.document_id,
            "uri": self.uri,
            "source": self.source,
            "title": self.title,
            "position": self.position,
            "start": self.start,
            "end": self.end,
            "text": self.text,
            "context": self.context,
            "tokens": self.tokens,
            "metadata": dict(self.metadata),
        }


@dataclass(frozen=True, slots=True)
class ChunkTokens:
    """The tokens of a chunk: words as written, their light stems, the embedder's sub-words, the BM25 vector."""

    chunk_id: str
    words: tuple[str, ...]
    stems: tuple[str, ...]
    subwords: tuple[str, ...]
    sparse: SparseVector


@dataclass(frozen=True, slots=True)
class ChunkVector:
    """The dense vector of a chunk. `reused` says that it was computed by an earlier run for the same text."""

    chunk_id: str
    vector: Vector
    reused: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """A chunk with its features as the vector store keeps it. The id is the chunk's."""

    id: str
    dense: Vector
    sparse: SparseVector
    payload: Mapping[str, object]


# Made once: `json.dumps` would make an encoder for each point.
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=dict)


def point_digest(point: Point) -> str:
    """Return a digest of a point's payload and sparse vector, as 32 hex digits.

    The dense vector is not part of it: stores scale it to length 1, which changes its last bits. It is compared with
    the vector that the warehouse keeps.
    """
    content = blake2b(digest_size=16)
    content.update(_CANONICAL.encode(point.payload).encode())
    content.update(array("Q", point.sparse.indices).tobytes())
    content.update(array("f", point.sparse.values).tobytes())
    return content.hexdigest()

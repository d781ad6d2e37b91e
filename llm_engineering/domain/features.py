"""Feature versions as data: the documents and chunks of an index version, as exports hold them, and their manifest."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from llm_engineering.domain.chunks import Chunk, Point, SparseVector, Vector
from llm_engineering.domain.documents import Document, Format, Metadata
from llm_engineering.domain.indexes import IndexManifest, ModelCard
from llm_engineering.domain.value import Value, digest


@dataclass(frozen=True, slots=True)
class FeatureDocument:
    """A document as an index version holds it. `text` is as stored, before cleaning; `run` stored this text."""

    id: str
    source_name: str
    uri: str
    key: str
    title: str
    format: Format
    user_id: str
    content_hash: str
    run: int
    text: str
    metadata: Metadata = field(default_factory=dict)

    @property
    def document(self) -> Document:
        """The document as a source would yield it."""
        return Document(
            uri=self.uri,
            source=self.source_name,
            format=self.format,
            text=self.text,
            title=self.title,
            key=self.key,
            user_id=self.user_id,
            metadata=self.metadata,
        )


@dataclass(frozen=True, slots=True)
class FeatureChunk:
    """A chunk with its features. `vector` is as the model gave it; `digest` is the `point_digest` of its point.

    `start` and `end` are offsets into the cleaned text of the document; `text` is that passage.
    """

    id: str
    document_id: str
    source_name: str
    uri: str
    title: str
    position: int
    start: int
    end: int
    text: str
    context: str
    tokens: int
    text_hash: str
    digest: str
    sparse: SparseVector
    vector: Vector
    metadata: Metadata = field(default_factory=dict)

    @property
    def chunk(self) -> Chunk:
        """The chunk alone, without its features."""
        return Chunk(
            document_id=self.document_id,
            uri=self.uri,
            source=self.source_name,
            title=self.title,
            position=self.position,
            start=self.start,
            end=self.end,
            text=self.text,
            context=self.context,
            tokens=self.tokens,
            metadata=self.metadata,
        )

    @property
    def point(self) -> Point:
        """The chunk as a vector store keeps it."""
        return Point(self.id, self.vector, self.sparse, self.chunk.payload)


class FeatureFile(Value):
    """One file of an export: where it lies below the folder, which source it is of, and what must be found there."""

    path: str
    rows: Literal["documents", "chunks"]
    source: str
    count: int = Field(ge=0)
    bytes: int = Field(ge=0)
    sha256: str


class FeatureManifest(Value):
    """What an export holds. The same version with the same content has the same manifest, to the byte.

    `run` and `created` tell when the index version was registered. `digest` is the SHA-256 of everything else here,
    the hashes of all files included: it names this state of the version, and proves the manifest itself.
    """

    format: Literal["llm-engineering features"] = "llm-engineering features"
    # Raise it when the files of an export change their meaning.
    format_version: Literal[1] = 1
    collection: str = Field(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")
    version: str
    fingerprint: str
    model: ModelCard
    payload_indexes: tuple[str, ...] = ()
    settings: dict[str, object] = Field(default_factory=dict)
    documents: int = Field(ge=0)
    chunks: int = Field(ge=0)
    run: int
    created: str
    files: tuple[FeatureFile, ...] = ()
    digest: str = ""

    @property
    def index(self) -> IndexManifest:
        """The manifest of the index version."""
        return IndexManifest(
            version=self.version,
            fingerprint=self.fingerprint,
            model=self.model,
            payload_indexes=self.payload_indexes,
            settings=self.settings,
        )

    @property
    def id(self) -> str:
        """A name for people: collection, version, and the beginning of the digest."""
        return f"{self.collection}/{self.version}@{self.digest[:12]}"

    def files_of(self, rows: str) -> Sequence[FeatureFile]:
        """Return the files that hold documents, or those that hold chunks."""
        return [file for file in self.files if file.rows == rows]

    def sealed(self) -> "FeatureManifest":
        """Return this manifest with its digest."""
        return self.model_copy(update={"digest": digest(self.model_dump(mode="json", exclude={"digest"}))})

"""The ports: what the use-cases need from outside, in the nouns of the domain. Adapters live in `infrastructure`.

Each port has a contract suite in `tests/contract` that every adapter passes, the in-memory one included.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from llm_engineering.domain.chunks import Point, SparseVector, Vector
from llm_engineering.domain.documents import Document, Item, Metadata, Rejection
from llm_engineering.domain.indexes import DocumentState, IndexManifest, ModelCard
from llm_engineering.domain.queries import Filter, ScoredPoint
from llm_engineering.domain.users import User

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Dataset(Protocol[T_co]):
    """A finite sequence of rows that may not fit into memory: its length is known, and it can be iterated again."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[T_co]: ...


class Progress(Protocol):
    """Shows how far a loop is, with rate and time left. It yields the items unchanged."""

    def __call__(
        self, items: Iterable[T], label: str, *, total: int | None = None, unit: str = "it"
    ) -> Iterable[T]: ...


class Source(Protocol):
    """A place that documents come from, opened.

    `read` yields one item per document, page or record that the source shows now, never two with the same identity.
    What concerns a single item is a `Rejection` or a `Failure` among the items.

    Raises:
        SourceError: the source as a whole cannot be read; what it showed so far must not be taken as complete.
    """

    name: str
    kind: str

    def read(self) -> Iterator[Item]: ...


# What a source needs to ask only for what changed: the provenance that was stored with a document (its ETag, say), or
# None when the document is not in the warehouse.
KnownProvenance = Callable[[str], Metadata | None]


class Warehouse(Protocol):
    """Documents with their versions, users, rejections, runs, and the ledgers of the index versions.

    Raises:
        BackendError: the database cannot be reached or is damaged.
    """

    # Runs
    def start_run(self, pipeline: str, config: Mapping[str, object]) -> int:
        """Open a run with its resolved configuration and return its number: ascending, given by the database."""
        ...

    def finish_run(self, run: int, status: str, report: Mapping[str, object]) -> None:
        """Close a run as `completed` or `failed`, with its report."""
        ...

    def run_record(self, run: int) -> Mapping[str, object]:
        """Return a run as a mapping: run, pipeline, status, config, report, started_at, finished_at."""
        ...

    # Users
    def get_or_create_user(self, user: User) -> bool:
        """Store the user if its id is new; return whether it was created. Concurrent calls create one row."""
        ...

    # Documents
    def states(self, source: str) -> Mapping[str, str]:
        """Return document id → content hash of the source's live documents."""
        ...

    def provenance(self, document_id: str) -> Metadata | None:
        """Return the provenance stored with a live document, or None if there is none."""
        ...

    def put(self, documents: Sequence[Document], run: int) -> None:
        """Store new documents, and new versions of those whose content hash differs, in one transaction.

        The provenance of an unchanged document is refreshed; that makes no version. A tombstone is lifted.
        """
        ...

    def bury(self, document_ids: Collection[str], run: int) -> None:
        """Mark documents as gone from their source (tombstones). Their versions stay."""
        ...

    def reject(self, rejections: Sequence[Rejection], run: int) -> None:
        """Keep rejections with their reasons, so that they can be listed and retried."""
        ...

    def rejections(self, run: int) -> Sequence[Rejection]:
        """Return the rejections of a run."""
        ...

    def live(self, sources: Collection[str] | None = None) -> Iterator[DocumentState]:
        """Iterate over all live documents (of the given sources, or of all), in ascending order of id."""
        ...

    def documents(self, document_ids: Collection[str]) -> Iterator[Document]:
        """Iterate over the current versions of live documents, in ascending order of id, in bounded memory."""
        ...

    # Index ledgers
    def register_index(self, collection: str, manifest: IndexManifest, run: int) -> IndexManifest:
        """Return the collection's index version with this manifest's fingerprint, or register it as the next one.

        The stored manifest is returned: its `version` is `v1`, `v2` … in the order of registration, whatever the
        argument says.
        """
        ...

    def indexed(self, collection: str, version: str) -> Iterator[DocumentState]:
        """Iterate over the documents that this index version holds, with the content hash they were indexed at,
        in ascending order of id."""
        ...

    def indexed_chunks(
        self, collection: str, version: str, document_ids: Collection[str] | None = None
    ) -> Iterator[str]:
        """Iterate over the chunk ids that this index version holds (of the given documents, or of all)."""
        ...

    def record_indexed(
        self, collection: str, version: str, entries: Sequence[tuple[DocumentState, Sequence[str]]], run: int
    ) -> None:
        """Commit documents with all their chunk ids as indexed, replacing what the ledger said of them, in one
        transaction."""
        ...

    def forget_indexed(self, collection: str, version: str, document_ids: Collection[str]) -> None:
        """Remove documents and their chunks from the ledger of this index version, in one transaction."""
        ...

    # Vectors, content-addressed
    def vectors(self, model_digest: str, text_hashes: Collection[str]) -> Mapping[str, Vector]:
        """Return the known vectors among the text hashes, by text hash."""
        ...

    def put_vectors(self, model_digest: str, vectors: Mapping[str, Vector]) -> None:
        """Keep vectors by text hash, in one transaction. A vector that is there already stays."""
        ...

    def close(self) -> None: ...


class SubwordTokenizer(Protocol):
    """The embedder's own tokenizer, for sizing chunks. It never truncates."""

    max_tokens: int  # the embedder's window, special tokens included
    special_tokens: int  # how many of them the special tokens take

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        """Return the character span [start, end) of each sub-word, in order, without special tokens."""
        ...

    def count(self, text: str) -> int:
        """Return how many positions of the window the text takes, special tokens included."""
        ...


class Embedder(Protocol):
    """Turns texts into unit-length vectors.

    Raises:
        BackendError: the model failed. There are never fewer vectors than texts.
    """

    card: ModelCard

    def embed(self, texts: Sequence[str]) -> Iterator[Sequence[tuple[int, Vector]]]:
        """Yield batches of (position in `texts`, vector), in any order, each position exactly once."""
        ...

    def embed_query(self, text: str) -> Vector:
        """Return the vector of a query; models with a query prompt apply it here."""
        ...


class VectorIndex(Protocol):
    """One index version, opened for reading or for writing.

    Raises:
        BackendError: the store failed; nothing returns an empty result for a failure.
    """

    manifest: IndexManifest

    def upsert(self, points: Sequence[Point]) -> None:
        """Insert points, replacing those with the same id."""
        ...

    def delete(self, ids: Collection[str]) -> None:
        """Delete points by id; unknown ids are ignored."""
        ...

    def flush(self) -> None:
        """Return only when everything written so far would survive the death of this process."""
        ...

    def count(self, filter: Filter | None = None) -> int:
        """Count points exactly."""
        ...

    def ids(self) -> Iterator[str]:
        """Iterate over the ids of all points, in bounded memory."""
        ...

    def get(self, ids: Collection[str]) -> Mapping[str, Point]:
        """Return the points that exist among the ids, with vectors and payload."""
        ...

    def payload_indexes(self) -> Collection[str]:
        """Return the payload fields that the store has an index for."""
        ...

    def search_dense(self, vector: Vector, limit: int, filter: Filter | None = None) -> Sequence[ScoredPoint]:
        """Return the nearest points by cosine similarity, best first."""
        ...

    def search_sparse(self, vector: SparseVector, limit: int, filter: Filter | None = None) -> Sequence[ScoredPoint]:
        """Return the best points by dot product with inverse document frequency, best first; no overlap, no hit."""
        ...

    def close(self) -> None: ...


class VectorStore(Protocol):
    """The index versions of one collection. One version is active: readers see that one, and only as published.

    Raises:
        BackendError: the store cannot be reached, or another process is writing to it.
        UsageError: there is no such version, or no active one yet.
    """

    def write(self, manifest: IndexManifest) -> AbstractContextManager[VectorIndex]:
        """Open a version for writing, creating it if it does not exist. One writer at a time; readers go on."""
        ...

    def publish(self, version: str) -> None:
        """Make the version, as it was last flushed, what readers see from their next opening on. Atomic."""
        ...

    def read(self) -> AbstractContextManager[VectorIndex]:
        """Open the active version as last published, for reading."""
        ...

    def active(self) -> IndexManifest | None:
        """Return the manifest of the active version, or None before the first publication."""
        ...

    def close(self) -> None: ...

"""Where documents, ledgers and vectors are kept."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.documents import Document, Metadata, Rejection
from llm_engineering.domain.indexes import DocumentState, IndexManifest
from llm_engineering.domain.users import User


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

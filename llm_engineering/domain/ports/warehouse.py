"""Where documents, ledgers and vectors are kept."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.costs import EmbeddingRate
from llm_engineering.domain.documents import Document, Metadata, Place, Rejection
from llm_engineering.domain.features import FeatureDocument
from llm_engineering.domain.indexes import Activation, DocumentState, IndexedChunk, IndexManifest, IndexRecord
from llm_engineering.domain.lineage import Derivative
from llm_engineering.domain.records import (
    ChunkRecord,
    DocumentListing,
    DocumentRecord,
    IndexedRecord,
    LedgerRecord,
    NameKind,
    Refusal,
    SourceCount,
    VersionRecord,
)
from llm_engineering.domain.traces import Traces
from llm_engineering.domain.users import User


class Warehouse(Protocol):
    """Documents with their versions, users, rejections, runs, and the ledgers of the index versions.

    A write that names its `run` is refused once that run was closed as failed: an owner that was taken for dead and
    wakes up again cannot write any more.

    Raises:
        BackendError: the database cannot be reached or is damaged, or the run was closed as failed.
    """

    # Runs
    def start_run(self, pipeline: str, config: Mapping[str, object], holds: Collection[str] = ()) -> int:
        """Open a run with its resolved configuration and return its number: ascending, given by the database.

        The run has what it `holds` (a source, a collection) for itself until it is finished. Runs whose owner is dead,
        or has not called `beat` for too long, are closed as failed first, and lose what they hold.

        Raises:
            BackendError: a living run holds one of these. The message says who; `transient` is true.
        """
        ...

    def beat(self, run: int) -> None:
        """Say that this process still works for the run.

        Raises:
            BackendError: the run was closed meanwhile, by another one that took its owner for dead.
        """
        ...

    def holder(self, holds: Collection[str]) -> str:
        """Return who holds one of these, in words, or an empty text if a run could start with them."""
        ...

    def pass_over_runs(self, last: int) -> None:
        """Number the next run above `last`, or higher where the numbers are higher already."""
        ...

    def finish_run(self, run: int, status: str, report: Mapping[str, object]) -> None:
        """Close a run as `completed` or `failed`, with its report, and free what it holds. What failed stays failed."""
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

    def bury(self, document_ids: Collection[str], run: int, read: str = "") -> None:
        """Mark documents as gone from their source (tombstones). Their versions stay.

        `read` is the source whose reading comes to its end with this.
        """
        ...

    def count_before(self, source: str) -> int | None:
        """Return how many live documents a source had before a reading that added some and did not come to its end.

        None if the last reading did: the process that reads it was not killed.
        """
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

    def provenances(self, document_ids: Collection[str]) -> Mapping[str, Metadata]:
        """Return document id → stored provenance of those that are live."""
        ...

    # Looking through
    def listing(self, source: str = "", user_id: str = "") -> Iterator[DocumentListing]:
        """Iterate over the live documents (of one source, of one author), by source and id, in bounded memory."""
        ...

    def source_counts(self) -> Sequence[SourceCount]:
        """Return how many documents each source has, ordered by name."""
        ...

    def refusals(self, source: str = "", reason: str = "") -> Iterator[Refusal]:
        """Iterate over the newest rejection of each item, the newest first, in bounded memory.

        What was stored, or was asked to be looked at again, after its rejection is left out.
        """
        ...

    def look_again(self, items: Collection[tuple[str, str, str]], run: int) -> None:
        """Forget that these items (source, URI, document id) were refused, and what says that a stored copy is good.

        The next run then reads them anew, whatever a conditional request would answer. One transaction.
        """
        ...

    def ledger_records(self, document_id: str) -> Sequence[LedgerRecord]:
        """Return where a document stands in the ledgers: once for each index version that holds it."""
        ...

    def users(self, user_ids: Collection[str]) -> Sequence[User]:
        """Return the users of these ids, ordered by id; unknown ones are left out."""
        ...

    # Index ledgers
    def register_index(
        self, collection: str, manifest: IndexManifest, run: int, taken: Collection[str] = ()
    ) -> IndexManifest:
        """Return the collection's index version with this manifest's fingerprint, or register it as the next one.

        The stored manifest is returned: its `version` is `v1`, `v2` … in the order of registration, whatever the
        argument says. Names that are `taken` in the store, by versions that this warehouse never knew, are passed over.
        """
        ...

    def index_records(self, collection: str | None = None) -> Sequence[tuple[str, IndexRecord]]:
        """Return (collection, record) of the registered index versions, of one collection or of all, oldest first."""
        ...

    def drop_index(self, collection: str, version: str, run: int = 0) -> None:
        """Remove an index version and its ledger. One that is not registered is ignored."""
        ...

    def record_activation(self, activation: Activation) -> None:
        """Note that readers see another version from now on; the time is the warehouse's."""
        ...

    def activations(self, collection: str) -> Sequence[Activation]:
        """Return the activations of a collection, oldest first."""
        ...

    def indexed(self, collection: str, version: str) -> Iterator[DocumentState]:
        """Iterate over the documents that this index version holds, with the content hash they were indexed at,
        in ascending order of id. A document some of whose chunks the ledger lost or distrusts has an empty hash."""
        ...

    def indexed_chunks(
        self, collection: str, version: str, document_ids: Collection[str] | None = None
    ) -> Iterator[IndexedChunk]:
        """Iterate over the chunks that this index version holds (of the given documents, or of all)."""
        ...

    def record_indexed(
        self, collection: str, version: str, entries: Sequence[tuple[DocumentState, Sequence[IndexedChunk]]], run: int
    ) -> None:
        """Commit documents with all their chunks as indexed, replacing what the ledger said of them, in one
        transaction."""
        ...

    def indexed_sources(self, collection: str, version: str) -> Sequence[str]:
        """Return the names of the sources that this index version holds documents of, in ascending order."""
        ...

    def indexed_documents(self, collection: str, version: str, source: str) -> Iterator[FeatureDocument]:
        """Iterate over a source's documents as this index version holds them, with their texts of that time, in
        ascending order of id, in bounded memory."""
        ...

    def stored_versions(self, document_ids: Collection[str]) -> Iterator[FeatureDocument]:
        """Iterate over all versions of these documents, also of those that are gone, in ascending order of id, of each
        the newest first, in bounded memory."""
        ...

    def indexed_places(self, collection: str, version: str) -> Iterator[Place]:
        """Iterate over where the documents of this index version are found, in ascending order of id."""
        ...

    def uris(self, document_ids: Collection[str]) -> Mapping[str, str]:
        """Return document id → URI (and `#key` for a record in it), also of documents that are gone."""
        ...

    def distrust(self, collection: str, version: str, chunk_ids: Collection[str], run: int = 0) -> None:
        """Remove chunks from the ledger of this index version, so that the next plan loads their documents again."""
        ...

    def forget_indexed(self, collection: str, version: str, document_ids: Collection[str], run: int = 0) -> None:
        """Remove documents and their chunks from the ledger of this index version, in one transaction."""
        ...

    # Rates
    def record_embedding(self, model_digest: str, rate: EmbeddingRate, run: int) -> None:
        """Note how fast a model embedded in a run."""
        ...

    def embedding_rate(self, model_digest: str) -> EmbeddingRate | None:
        """Return how fast a model embedded in the last runs together, or None if none was measured."""
        ...

    # Vectors, content-addressed
    def vectors(self, model_digest: str, text_hashes: Collection[str]) -> Mapping[str, Vector]:
        """Return the known vectors among the text hashes, by text hash."""
        ...

    def known_vectors(self, model_digest: str, text_hashes: Collection[str]) -> Collection[str]:
        """Return those text hashes that have a vector."""
        ...

    def put_vectors(self, model_digest: str, vectors: Mapping[str, Vector]) -> None:
        """Keep vectors by text hash, in one transaction. A vector that is there already stays."""
        ...

    # Erasure and lineage
    def record_derivative(self, derivative: Derivative, document_ids: Collection[str]) -> None:
        """Note that something was made from these documents, replacing what was noted under the same id before; the
        time is the warehouse's."""
        ...

    def derivatives(self) -> Sequence[Derivative]:
        """Return everything that was made from documents, oldest first."""
        ...

    def derivatives_of(self, document_ids: Collection[str]) -> Sequence[Derivative]:
        """Return what was made from any of these documents, oldest first."""
        ...

    def derived_from(self, derivative_id: str) -> Sequence[str]:
        """Return the ids of the documents that something was made from; of forgotten ones, their digests."""
        ...

    def drop_derivatives(self, ids: Collection[str]) -> None:
        """Remove derivatives that are no more; unknown ids are ignored."""
        ...

    def document_records(self, kind: NameKind, names: Collection[str]) -> Sequence[DocumentRecord]:
        """Return the documents, tombstones included, of these ids, URIs, sources, or users (by id), ordered by id.

        A user's documents are those whose author he is in any version, be it by id or by the name in the metadata.
        """
        ...

    def version_records(self, document_id: str) -> Sequence[VersionRecord]:
        """Return the versions of a document, oldest first."""
        ...

    def chunk_records(self, chunk_id: str) -> Sequence[ChunkRecord]:
        """Return where a chunk stands in the ledgers: once for each index version that holds it."""
        ...

    def indexed_records(self, document_ids: Collection[str]) -> Sequence[IndexedRecord]:
        """Return the index versions that hold any of these documents, with the numbers of documents and chunks."""
        ...

    def stored_by(self, run: int) -> Sequence[DocumentRecord]:
        """Return the documents of which a run stored a version, ordered by id."""
        ...

    def known_names(self, kind: NameKind) -> Collection[str]:
        """Return the URIs, sources or users' full names that documents, rejections and users have."""
        ...

    def forgotten(self) -> Collection[str]:
        """Return the digests of everything that must not come back."""
        ...

    def remember_forgotten(self, digests: Mapping[str, str], run: int) -> None:
        """Keep digest → kind of what must not come back, in one transaction."""
        ...

    def texts_of(self, document_ids: Collection[str]) -> Iterator[str]:
        """Iterate over the texts of all versions of these documents, in bounded memory."""
        ...

    def with_texts(self, texts: Mapping[str, int]) -> Sequence[DocumentRecord]:
        """Return the documents that have, or had, one of these texts (`digest_of("text", …)` → characters), by id."""
        ...

    def at_work(self, besides: int) -> Sequence[int]:
        """Return the runs that are at work, less one."""
        ...

    def runs_naming(self, traces: Traces) -> Sequence[int]:
        """Return the runs whose configuration or report mentions the target."""
        ...

    def erase(self, traces: Traces, run: int) -> Mapping[str, int]:
        """Remove a target's documents with all versions, tombstones and rejections, its ledger rows, its user row, the
        vectors that no index version uses, and its mentions in stored configurations and reports, in one transaction.

        What was derived from its documents is from now on linked to their digests. Returns the rows by table.
        """
        ...

    def compact(self) -> None:
        """Rewrite the database, so that no removed row can be read from its files any more.

        Raises:
            BackendError: another process is reading; nothing is lost, and the call can be repeated.
        """
        ...

    def close(self) -> None: ...

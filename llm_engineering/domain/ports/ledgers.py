"""The ledgers: what each index version is said to hold."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from llm_engineering.domain.documents import Place
from llm_engineering.domain.features import FeatureDocument
from llm_engineering.domain.indexes import Activation, DocumentState, IndexedChunk, IndexManifest, IndexRecord
from llm_engineering.domain.records import LedgerRecord


class Ledgers(Protocol):
    """The index versions of all collections, with the documents and chunks that each holds."""

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

    def ledger_records(self, document_id: str) -> Sequence[LedgerRecord]:
        """Return where a document stands in the ledgers: once for each index version that holds it."""
        ...

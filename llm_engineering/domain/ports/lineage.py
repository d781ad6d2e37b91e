"""What became of documents, and how they are forgotten."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from llm_engineering.domain.lineage import Derivative
from llm_engineering.domain.records import ChunkRecord, DocumentRecord, IndexedRecord, NameKind, VersionRecord
from llm_engineering.domain.traces import Traces


class Lineage(Protocol):
    """Documents, index versions and what else was made from them, each found from the others."""

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


class Erasure(Protocol):
    """What is to be forgotten, wherever this database mentions it."""

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

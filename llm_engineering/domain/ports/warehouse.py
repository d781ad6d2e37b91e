"""Where documents, ledgers and vectors are kept."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.costs import EmbeddingRate
from llm_engineering.domain.documents import Document, Metadata, Rejection
from llm_engineering.domain.indexes import DocumentState
from llm_engineering.domain.ports.ledgers import Ledgers
from llm_engineering.domain.ports.lineage import Erasure, Lineage
from llm_engineering.domain.ports.runs import Runs
from llm_engineering.domain.records import DocumentListing, Refusal, SourceCount
from llm_engineering.domain.users import User


class Documents(Protocol):
    """Documents with their versions, their users, and what was refused."""

    def get_or_create_user(self, user: User) -> bool:
        """Store the user if its id is new; return whether it was created. Concurrent calls create one row."""
        ...

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
        """Iterate over the current versions of live documents, in ascending order of id, in bounded memory.

        Raises:
            DamagedDocuments: after the others, if some are not there as they were stored.
        """
        ...

    def doubt(self, document_ids: Collection[str], run: int) -> None:
        """Forget what these documents are, so that their sources read them again, and store them as changed."""
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

    def users(self, user_ids: Collection[str]) -> Sequence[User]:
        """Return the users of these ids, ordered by id; unknown ones are left out."""
        ...


class Vectors(Protocol):
    """Vectors by the content of what was embedded, and how fast that went."""

    def vectors(self, model_digest: str, text_hashes: Collection[str]) -> Mapping[str, Vector]:
        """Return the known vectors among the text hashes, by text hash."""
        ...

    def known_vectors(self, model_digest: str, text_hashes: Collection[str]) -> Collection[str]:
        """Return those text hashes that have a vector."""
        ...

    def put_vectors(self, model_digest: str, vectors: Mapping[str, Vector]) -> None:
        """Keep vectors by text hash, in one transaction. A vector that is there already stays."""
        ...

    def record_embedding(self, model_digest: str, rate: EmbeddingRate, run: int) -> None:
        """Note how fast a model embedded in a run."""
        ...

    def embedding_rate(self, model_digest: str) -> EmbeddingRate | None:
        """Return how fast a model embedded in the last runs together, or None if none was measured."""
        ...


class Warehouse(Runs, Documents, Ledgers, Vectors, Lineage, Erasure, Protocol):
    """All of it, in one database.

    A write that names its `run` is refused once that run was closed as failed: an owner that was taken for dead and
    wakes up again cannot write any more.

    Raises:
        BackendError: the database cannot be reached or is damaged, or the run was closed as failed.
    """

    def close(self) -> None: ...

"""Where features are searched."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from llm_engineering.domain.chunks import Point, SparseVector, Vector
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.queries import Filter, ScoredPoint


class VectorIndex(Protocol):
    """One index version, opened for reading or for writing.

    Raises:
        BackendError: the store failed; nothing returns an empty result for a failure.
    """

    manifest: IndexManifest
    # Whether the last writer died at work: then what the index holds is to be compared with the ledger, point by point.
    interrupted: bool
    # Whether a vector of length 1 comes back bit for bit: then one that does not is damaged.
    bitwise: bool

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

    def scan(self) -> Iterator[Point]:
        """Iterate over all points, with vectors and payload, in bounded memory."""
        ...

    def payloads(self, fields: Collection[str], filter: Filter | None = None) -> Iterator[Mapping[str, object]]:
        """Iterate over the payloads that fulfil a filter, reduced to these fields (named as in filters), in bounded
        memory. What a payload lacks is left out; more than the fields may come along."""
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

    def activate(self, version: str) -> None:
        """Make a version, as it was last published, what readers see from their next opening on. Atomic, and quick
        whatever its size."""
        ...

    def read(self, version: str = "") -> AbstractContextManager[VectorIndex]:
        """Open a version as last published, for reading; without a name the active one.

        It stays the same until it is closed. A version that was never published is refused (UsageError).
        """
        ...

    def active(self) -> IndexManifest | None:
        """Return the manifest of the active version, or None before the first publication."""
        ...

    def publication(self) -> str:
        """Return a text that changes whenever what readers see does, and is empty before the first publication.

        It is cheap: one file or two requests, never the index.
        """
        ...

    def unpublished(self, version: str) -> bool:
        """Return whether the version has writes that were not published since; also after its writer was killed."""
        ...

    def intact(self) -> bool:
        """Return whether what readers see is known to be, byte for byte, what was published. False proves nothing."""
        ...

    def versions(self) -> Mapping[str, IndexManifest]:
        """Return all versions that exist, published or not, by name."""
        ...

    def drop(self, version: str) -> None:
        """Remove a version for good. One that does not exist is ignored; the active one is refused (UsageError)."""
        ...

    def purge(self, document_ids: Collection[str]) -> int:
        """Remove the points of documents from all versions, working and published, and return how many there were.

        Readers see the same versions as before, less these points. On an embedded store no byte of them stays in its
        files; a server overwrites its own when it merges segments. It can be repeated after a kill or an error.

        Raises:
            BackendError: the store failed, or a reader holds on to a copy that has to go.
        """
        ...

    def close(self) -> None: ...

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

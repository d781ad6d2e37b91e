"""The books of a collection: which versions it has, what readers see of each, and whose turn it is to write.

What follows from them is written here once; how they are kept differs: `catalog.py` keeps them as the records of an
engine, `qdrant/catalog.py` as the metadata and the alias of a server's collections.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.infrastructure.vector_stores.versioned.version import Version
from llm_engineering.infrastructure.vector_stores.versions import Overtaken


class Books(ABC):
    """What is known of the versions of one collection."""

    def __init__(self, collection: str, reader_seconds: float) -> None:
        self.collection = collection
        self._reader_seconds = reader_seconds

    def check_run(self, run: int) -> None:
        """Refuse a run that a later one has overtaken, in whichever version. Run 0 does not take part."""
        last = max((version.run for version in self.versions().values()), default=0) if run else 0
        if run < last:
            raise Overtaken(run, last, self.collection)

    def claim(self, version: Version, run: int) -> Version:
        """Note that this run is the one that writes or switches, unless a later one does."""
        self.check_run(run)
        return self.sign(replace(version, run=run)) if run > version.run else version

    def sign(self, version: Version) -> Version:
        """Store who writes to a version, and whether he is at work."""
        self._put_writer(version)
        return version

    def advance(self, version: Version) -> Version:
        """Let readers of this version see the next generation. One record is set, so they see all of it or nothing."""
        before = ((version.published, time.time()),) if version.published else ()
        advanced = replace(version, published=version.next, replaced=(*version.replaced, *before))
        self._put_publication(advanced)
        return advanced

    def prune(self, version: Version) -> Version:
        """Delete the points that nobody sees any more who opened the index a while ago or later."""
        since = time.time() - self._reader_seconds
        held = tuple((generation, at) for generation, at in version.replaced if at > since)
        if held == version.replaced:
            return version
        self._remove_ended(version, by=min((generation for generation, _ in held), default=version.published))
        pruned = replace(version, replaced=held)
        self._put_publication(pruned)
        return pruned

    # What the place has to tell

    @abstractmethod
    def versions(self) -> Mapping[str, Version]:
        """Return all versions of this collection, by name."""

    @abstractmethod
    def find(self, version: str) -> Version | None:
        """Return a version, or None if there is no such one."""

    @abstractmethod
    def standing(self, version: str) -> tuple[Version | None, int]:
        """Return a version as it is now, and the last run known to write: in one request, it is asked at each batch."""

    @abstractmethod
    def active(self) -> Version | None:
        """Return the version that readers see, or None before the first publication."""

    # What it has to do

    @abstractmethod
    def create(self, manifest: IndexManifest) -> Version:
        """Create an empty version."""

    def ensure(self, version: Version) -> None:  # noqa: B027 - where a version and what it is kept in are one thing
        """Create what the version's points are kept in, if it is not there."""

    @abstractmethod
    def point_readers_to(self, version: Version) -> None:
        """Make a version the active one in one step, if it is not already."""

    @abstractmethod
    def drop(self, version: Version) -> None:
        """Remove a version with all its points."""

    @abstractmethod
    def purge(self, version: Version, document_ids: Collection[str]) -> int:
        """Delete the points of documents in all generations, and return how many there were."""

    def alone(self, run: int) -> AbstractContextManager[None]:  # noqa: ARG002 - a server has no lock of ours
        """Hold what keeps other processes from writing, where there is such a thing."""
        return nullcontext()

    @abstractmethod
    def close(self) -> None:
        """Give connections and files back."""

    @abstractmethod
    def _put_publication(self, version: Version) -> None:
        """Store which generation readers see, atomically."""

    @abstractmethod
    def _put_writer(self, version: Version) -> None:
        """Store who writes, atomically and apart from the publication: a writer that stands still sets none back."""

    @abstractmethod
    def _remove_ended(self, version: Version, by: int) -> None:
        """Delete the points that are not to be seen from a generation on."""

"""The versions of a collection as generations of points: the port `VectorStore`, once for all that keep them so.

One writer at a time is what the lease in the warehouse is for; an engine may add a lock of its own. A run that was
overtaken is noticed at its next write or switch.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.ports import VectorIndex
from llm_engineering.infrastructure.vector_stores.versioned.books import Books
from llm_engineering.infrastructure.vector_stores.versioned.session import Session
from llm_engineering.infrastructure.vector_stores.versioned.version import Version
from llm_engineering.infrastructure.vector_stores.versions import (
    check_same_index,
    never_published,
    no_such_version,
    nothing_active,
    still_active,
    unflushed,
)


class GenerationIndex(VectorIndex, Protocol):
    """One version as a reader or a writer of `generation` sees it."""

    generation: int
    unflushed: bool

    def settle(self) -> bool:
        """End what this generation replaced and a killed writer did not end; return whether anything is unpublished."""
        ...

    def has_unpublished(self) -> bool:
        """Return whether this generation, which is not published yet, added or ended anything."""
        ...

    def finish(self) -> None:
        """Make everything last, and searches fast, before a publication."""
        ...


class VersionedStore:
    """The versions of one collection. `opened` opens a version at a generation; with a session, for a writer."""

    def __init__(
        self, books: Books, opened: Callable[[Version, int, Session | None], GenerationIndex], run: int
    ) -> None:
        self.collection = books.collection
        self._books = books
        self._opened = opened
        self._run = run
        self._writer: GenerationIndex | None = None

    @contextmanager
    def write(self, manifest: IndexManifest) -> Iterator[GenerationIndex]:
        if self._writer is not None:
            raise BackendError(f"collection {self.collection!r} is being written to; one writer at a time")
        with self._books.alone(self._run):
            self._books.check_run(self._run)
            version = self._books.find(manifest.version) or self._books.create(manifest)
            check_same_index(version.manifest, manifest, self.collection)
            self._books.ensure(version)
            version = self._books.prune(self._books.claim(version, self._run))
            session = Session(self._books, version, self._run)
            self._writer = index = self._opened(version, version.next, session)
            try:
                index.settle()
                yield index
                if index.unflushed:
                    index.flush()
            finally:
                self._writer = None
            session.end()

    def publish(self, version: str) -> None:
        writer = self._writer if self._writer and self._writer.manifest.version == version else None
        found = self._known(version)
        if writer is not None and writer.unflushed:
            raise BackendError(unflushed(version, self.collection))
        with self._alone():
            found = self._books.claim(found, self._run)
            index = writer or self._opened(found, found.next, None)
            if index.settle() or not found.published:
                index.finish()
                self._books.check_run(self._run)  # the work before may have taken long
                found = self._books.advance(found)
                index.generation = found.next
            self._books.point_readers_to(found)
            self._books.prune(found)

    def activate(self, version: str) -> None:
        found = self._published(version)
        with self._alone():
            self._books.point_readers_to(self._books.claim(found, self._run))

    def publication(self) -> str:
        version = self._books.active()
        return f"{version.name} {version.published}" if version else ""

    def unpublished(self, version: str) -> bool:
        found = self._books.find(version)
        return found is not None and (not found.published or self._opened(found, found.next, None).has_unpublished())

    def intact(self) -> bool:
        return False  # points are compared, not bytes

    def versions(self) -> Mapping[str, IndexManifest]:
        return {name: version.manifest for name, version in self._books.versions().items()}

    def drop(self, version: str) -> None:
        found = self._books.find(version)
        if found is None:
            return
        active = self._books.active()
        if active is not None and active.name == found.name:
            raise UsageError(still_active(version, self.collection))
        with self._alone():
            self._books.check_run(self._run)
            self._books.drop(found)

    def purge(self, document_ids: Collection[str]) -> int:
        versions = self._books.versions().values()
        if not versions:
            return 0
        with self._alone():
            return sum(self._books.purge(self._books.claim(each, self._run), document_ids) for each in versions)

    @contextmanager
    def read(self, version: str = "") -> Iterator[GenerationIndex]:
        found = self._published(version) if version else self._books.active()
        if found is None:
            raise UsageError(nothing_active(self.collection))
        yield self._opened(found, found.published, None)

    def active(self) -> IndexManifest | None:
        version = self._books.active()
        return version.manifest if version else None

    def close(self) -> None:
        self._books.close()

    def _alone(self) -> AbstractContextManager[None]:
        # The writer of this store holds the lock already.
        return nullcontext() if self._writer else self._books.alone(self._run)

    def _known(self, version: str) -> Version:
        found = self._books.find(version)
        if found is None:
            raise UsageError(no_such_version(version, self.collection, list(self._books.versions())))
        return found

    def _published(self, version: str) -> Version:
        found = self._books.find(version)
        if found is None or not found.published:
            raise UsageError(never_published(version, self.collection, list(self._books.versions())))
        return found

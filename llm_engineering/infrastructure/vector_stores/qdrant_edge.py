"""The embedded feature store: Qdrant's engine in this process, index versions as folders (see `edge_layout`).

Readers open published copies, so they never see a writer at work, and any number of processes can read at once.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.vector_stores.edge_layout import Layout, checked_name, read_manifest
from llm_engineering.infrastructure.vector_stores.folders import remove_folder, replace_file
from llm_engineering.infrastructure.vector_stores.locks import FileLock, Held
from llm_engineering.infrastructure.vector_stores.versions import (
    check_same_index,
    no_such_version,
    nothing_active,
    unflushed,
)

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.edge_index import EdgeIndex

OPENING_ATTEMPTS = 5


class QdrantEdge(Value):
    """Keep the index in the home folder, in Qdrant's own format, without a server."""

    kind: Literal["qdrant_edge"] = "qdrant_edge"
    exact_up_to: int = Field(
        100_000,
        ge=1_000,
        le=100_000_000,
        description="points up to which dense search scans all vectors: exact, 7 ms for 50,000. Above it, publishing "
        "builds an HNSW graph: 0.5 ms a search, once 14 to 60 CPU seconds for 50,000 points",
    )
    search_threads: int = Field(0, ge=0, le=256, description="threads of one search; 0 = as many as there are cores")

    def open(self, home: Path, collection: str) -> "EdgeStore":
        """Return the store of a collection; nothing is created before the first write."""
        return EdgeStore(Layout(home / "feature_store" / checked_name(collection, "collection")), self)


class EdgeStore:
    """The versions of one collection."""

    def __init__(self, layout: Layout, spec: QdrantEdge) -> None:
        self.collection = layout.root.name
        self._layout = layout
        self._spec = spec
        self._writer: EdgeIndex | None = None

    @contextmanager
    def write(self, manifest: IndexManifest) -> "Iterator[EdgeIndex]":
        with self._alone(), self._opened(manifest) as index:
            self._writer = index
            try:
                yield index
                index.flush()
            finally:
                self._writer = None

    def publish(self, version: str) -> None:
        if version not in self._layout.versions():
            raise UsageError(no_such_version(version, self.collection, self._layout.versions()))
        with ExitStack() as stack:
            index = self._writer
            if index is None:
                stack.enter_context(self._alone())
            if index is None or index.manifest.version != version:
                index = stack.enter_context(self._opened(read_manifest(self._layout.version(version))))
            if index.unflushed:
                raise BackendError(unflushed(version, self.collection))
            index.optimize()
            with disk_errors(self._layout.root):
                self._layout.publish_copy(version)

    @contextmanager
    def read(self) -> "Iterator[EdgeIndex]":
        from llm_engineering.infrastructure.vector_stores.edge_index import EdgeIndex

        with self._active_copy() as copy:
            if copy is None:
                raise UsageError(nothing_active(self.collection))
            index = EdgeIndex.load(copy, read_manifest(copy), self._spec, writable=False)
            try:
                yield index
            finally:
                index.close()

    def active(self) -> IndexManifest | None:
        with self._active_copy() as copy:
            return read_manifest(copy) if copy else None

    def close(self) -> None:
        """Do nothing: every opened index is closed by its own context."""

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the writer's lock, or refuse at once and say who holds it."""
        with ExitStack() as stack:
            try:
                with disk_errors(self._layout.root):
                    self._layout.root.mkdir(parents=True, exist_ok=True)
                    stack.enter_context(FileLock(self._layout.writer_lock))
            except Held as held:
                raise BackendError(
                    f"collection {self.collection!r} is being written to by {held}; wait until it is done or end it "
                    "(its lock goes with it). Searching is possible meanwhile",
                    transient=True,
                ) from held
            yield

    @contextmanager
    def _opened(self, manifest: IndexManifest) -> "Iterator[EdgeIndex]":
        """Open the working folder of a version, creating it if it does not exist. The lock is held."""
        from llm_engineering.infrastructure.vector_stores.edge_index import EdgeIndex

        folder = self._layout.version(manifest.version)
        if (folder / "manifest.json").exists():
            stored = read_manifest(folder)
            check_same_index(stored, manifest, self.collection)
            index = EdgeIndex.load(folder, stored, self._spec, writable=True)
        else:
            with disk_errors(folder):
                if folder.exists():
                    remove_folder(folder)  # the manifest comes last: this is what a killed process left behind
                index = EdgeIndex.create(folder, manifest, self._spec)
                replace_file(folder / "manifest.json", manifest.model_dump_json(indent=2))
        try:
            yield index
        finally:
            index.close()

    @contextmanager
    def _active_copy(self) -> Iterator[Path | None]:
        """Yield the copy that readers are to open, safe from removal meanwhile; None before the first publication.

        Between reading the pointer and taking the lock, publications may have removed the folder: then look again.
        """
        with ExitStack() as stack:
            yield self._lock_active_copy(stack)

    def _lock_active_copy(self, stack: ExitStack) -> Path | None:
        for _ in range(OPENING_ATTEMPTS):
            copy = self._layout.active_copy()
            if copy is None:
                return None
            try:
                stack.enter_context(FileLock(copy / "readers.lock", shared=True))
                return copy
            except (FileNotFoundError, Held):
                continue
            except OSError as error:
                raise BackendError(f"the published index {copy} cannot be opened: {error}") from error
        raise BackendError(
            f"the published index {copy} of collection {self.collection!r} is missing; run the feature pipeline to "
            "publish it again"
        )


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Translate what the file system refuses: no space, no permission, no such lock."""
    try:
        yield
    except OSError as error:
        raise BackendError(f"the feature store in {folder} cannot be written: {error}") from error

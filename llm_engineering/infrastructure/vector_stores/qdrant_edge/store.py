"""The versions of a collection in Qdrant's engine in this process, as folders (see `layout.py`).

Readers open published copies, so they never see a writer at work, and any number of processes can read at once.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING

from loguru import logger

from llm_engineering.domain import failpoints
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.infrastructure.vector_stores.folders import disk_errors, is_sealed, remove_folder, replace_file
from llm_engineering.infrastructure.vector_stores.locks import FileLock, Held
from llm_engineering.infrastructure.vector_stores.qdrant_edge.copies import locked_copy
from llm_engineering.infrastructure.vector_stores.qdrant_edge.layout import CHANGED, Layout, read_manifest
from llm_engineering.infrastructure.vector_stores.qdrant_edge.space import check_space, size_of_folder
from llm_engineering.infrastructure.vector_stores.versions import (
    Overtaken,
    busy,
    check_same_index,
    never_published,
    no_such_version,
    nothing_active,
    still_active,
    unflushed,
)

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.qdrant_edge.index import EdgeIndex
    from llm_engineering.infrastructure.vector_stores.qdrant_edge.spec import QdrantEdge


class EdgeStore:
    """The versions of one collection."""

    def __init__(self, layout: Layout, spec: "QdrantEdge", run: int = 0) -> None:
        self.collection = layout.root.name
        self._layout = layout
        self._spec = spec
        self._run = run
        self._writer: EdgeIndex | None = None

    @contextmanager
    def write(self, manifest: IndexManifest) -> "Iterator[EdgeIndex]":
        with self._alone() as lock, self._opened(manifest, lock) as index:
            self._writer = index
            try:
                yield index
                if index.unflushed:
                    index.flush()
            finally:
                self._writer = None

    def publish(self, version: str) -> None:
        if version not in self._layout.versions():
            raise UsageError(no_such_version(version, self.collection, self._layout.versions()))
        with ExitStack() as stack:
            index = self._writer
            if index is None or index.manifest.version != version:
                lock = index.lock if index is not None and index.lock else stack.enter_context(self._alone())
                index = stack.enter_context(self._opened(read_manifest(self._layout.version(version)), lock))
            if index.unflushed:
                raise BackendError(unflushed(version, self.collection))
            index.optimize()
            failpoints.reach("publish.before_copy")
            check_space(self._layout.root, size_of_folder(self._layout.version(version)))
            self._publish(index)

    def _publish(self, index: "EdgeIndex") -> None:
        """Copy and switch. Who lost the lock meanwhile says so, and neither switches nor removes anything."""
        version = index.manifest.version
        with disk_errors(self._layout.root):
            try:
                copy = self._layout.copy_for_readers(version)
                if index is not self._writer:
                    index.close()  # two at a time take twice the memory
                # What cannot be opened is not published. And some file systems give the holes in a file their space
                # when the engine first opens it: here that was looked at, a reader on a full disk would be killed.
                type(index).load(copy, index.manifest, self._spec, warm=True).close()
            except FileNotFoundError:
                index.check_lock()  # a successor moved the folder away
                raise
            failpoints.reach("publish.after_copy")
            index.check_lock()
            self._layout.point_to(copy, self._switch())
            failpoints.reach("publish.after_pointer")
            index.check_lock()
            (self._layout.version(version) / CHANGED).unlink(missing_ok=True)

    def activate(self, version: str) -> None:
        copies = self._layout.copies(version)
        if not copies or version not in self._layout.versions():
            raise UsageError(never_published(version, self.collection, self._layout.versions()))
        with self._alone() if self._writer is None else nullcontext(), disk_errors(self._layout.root):
            self._layout.point_to(copies[-1], self._switch())

    def publication(self) -> str:
        run, copy = self._layout.pointer()
        return f"{run} {copy.name}" if copy else ""

    def unpublished(self, version: str) -> bool:
        return (self._layout.version(version) / CHANGED).exists()

    def intact(self) -> bool:
        try:
            copy = self._layout.active_copy()
        except BackendError:  # a damaged pointer; whoever reads says so
            return False
        return copy is not None and is_sealed(copy)

    def versions(self) -> Mapping[str, IndexManifest]:
        found = {}
        for version in self._layout.versions():
            try:
                found[version] = read_manifest(self._layout.version(version))
            except BackendError as error:
                logger.warning("version {!r} of collection {!r}: {}", version, self.collection, error)
        return found

    def drop(self, version: str) -> None:
        active = self.active()
        if active is not None and active.version == version:
            raise UsageError(still_active(version, self.collection))
        with self._alone(), disk_errors(self._layout.root):
            self._layout.drop(version)

    def purge(self, document_ids: Collection[str]) -> int:
        from llm_engineering.infrastructure.vector_stores.qdrant_edge.purge import purge

        if not self._layout.root.exists():
            return 0
        with self._alone() as lock, disk_errors(self._layout.root):
            return purge(self._layout, self._spec, lock, self._switch(), document_ids)

    @contextmanager
    def read(self, version: str = "") -> "Iterator[EdgeIndex]":
        from llm_engineering.infrastructure.vector_stores.qdrant_edge.index import EdgeIndex

        with locked_copy(self._layout, version) as copy:
            if copy is None and version:
                raise UsageError(never_published(version, self.collection, self._layout.versions()))
            if copy is None:
                raise UsageError(nothing_active(self.collection))
            index = EdgeIndex.load(copy, read_manifest(copy), self._spec, warm=True)
            try:
                yield index
            finally:
                index.close()

    def active(self) -> IndexManifest | None:
        with locked_copy(self._layout) as copy:
            return read_manifest(copy) if copy else None

    def close(self) -> None:
        """Do nothing: every opened index is closed by its own context."""

    def _switch(self) -> int:
        """Return the number to switch the pointer with; whoever switches without a run follows the last one."""
        return self._run or self._layout.pointer()[0]

    @contextmanager
    def _alone(self) -> Iterator[FileLock]:
        """Hold the writer's lock, or refuse at once and say who holds it."""
        with ExitStack() as stack:
            try:
                with disk_errors(self._layout.root):
                    lock = self._lock(stack)
            except Held as held:
                raise BackendError(busy(self.collection, str(held)), transient=True) from held
            yield lock

    def _lock(self, stack: ExitStack) -> FileLock:
        self._layout.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._layout.writer_lock, run=self._run)
        last = lock.last_run()
        if 0 < self._run < last:
            raise Overtaken(self._run, last, self.collection)
        try:
            return stack.enter_context(lock)
        except Held as held:
            if not 0 < last < self._run:
                raise
            # Its run was closed, or this one would not have been given the collection. Leave it the file and the
            # folders that it has open, and go on in copies.
            logger.warning("collection {!r}: {} stands still and lost its run; taking over", self.collection, held)
            self._layout.writer_lock.unlink(missing_ok=True)
            stack.enter_context(lock)
            self._layout.move_away()
            return lock

    @contextmanager
    def _opened(self, manifest: IndexManifest, lock: FileLock) -> "Iterator[EdgeIndex]":
        """Open the working folder of a version, creating it if it does not exist. The lock is held."""
        from llm_engineering.infrastructure.vector_stores.qdrant_edge.index import EdgeIndex

        folder = self._layout.version(manifest.version)
        index: EdgeIndex | None = None
        if (folder / "manifest.json").exists():
            try:
                stored = read_manifest(folder)
                check_same_index(stored, manifest, self.collection)
                index = EdgeIndex.load(folder, stored, self._spec, lock)
            except BackendError as error:
                # Everything in it can be made again from the warehouse without the model, so nobody has to be asked.
                logger.warning("{}; building it again from the warehouse", error)
        if index is None:
            with disk_errors(folder):
                remove_folder(folder)  # the manifest comes last: without it, this is what a killed process left behind
                index = EdgeIndex.create(folder, manifest, self._spec, lock)
                failpoints.reach("edge.before_manifest")
                replace_file(folder / "manifest.json", manifest.model_dump_json(indent=2))
        try:
            yield index
        finally:
            index.close()

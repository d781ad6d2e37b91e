"""A vector store in memory: the same answers as the real one, nothing on disk. For tests and short experiments."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from llm_engineering.domain.chunks import Point
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.vector_stores.versioned.capabilities import Capabilities
from llm_engineering.infrastructure.vector_stores.versions import (
    check_same_index,
    never_published,
    no_such_version,
    nothing_active,
    still_active,
    unflushed,
)

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.memory.index import MemoryIndex


class Memory(Value):
    """Keep the index in the memory of this process; it is gone when the store is."""

    title: ClassVar[str] = "memory"
    capabilities: ClassVar[Capabilities] = Capabilities(
        runs="in this process",
        dense="exact",
        sparse="this package",
        filters="this package",
        several_processes=False,
        several_machines=False,
        erases_bytes=True,
        tested_with="itself",
    )

    kind: Literal["memory"] = "memory"

    def open(self, home: Path, collection: str, run: int = 0) -> "MemoryStore":  # noqa: ARG002 - every store's signature
        """Return an empty store. Its state lives in the returned object alone."""
        return MemoryStore(collection)


@dataclass
class Version:
    """A version: its manifest and its points as last flushed."""

    manifest: IndexManifest
    points: dict[str, Point] = field(default_factory=dict)


class MemoryStore:
    """Versions of a collection in memory. Publishing takes a snapshot, so readers never see a writer at work."""

    def __init__(self, collection: str) -> None:
        self.collection = collection
        self._versions: dict[str, Version] = {}
        self._published: dict[str, Version] = {}
        self._active = ""
        self._publications = 0
        self._writer: MemoryIndex | None = None

    @contextmanager
    def write(self, manifest: IndexManifest) -> "Iterator[MemoryIndex]":
        from llm_engineering.infrastructure.vector_stores.memory.index import MemoryIndex

        if self._writer is not None:
            raise BackendError(f"collection {self.collection!r} is being written to; one writer at a time")
        version = self._versions.setdefault(manifest.version, Version(manifest))
        check_same_index(version.manifest, manifest, self.collection)
        self._writer = MemoryIndex(version.manifest, version.points, version)
        try:
            yield self._writer
            self._writer.flush()
        finally:
            self._writer = None

    def publish(self, version: str) -> None:
        if version not in self._versions:
            raise UsageError(no_such_version(version, self.collection, list(self._versions)))
        if self._writer is not None and self._writer.manifest.version == version and self._writer.unflushed:
            raise BackendError(unflushed(version, self.collection))
        stored = self._versions[version]
        self._published[version] = Version(stored.manifest, dict(stored.points))
        self._active = version
        self._publications += 1

    def activate(self, version: str) -> None:
        if version not in self._published:
            raise UsageError(never_published(version, self.collection, list(self._versions)))
        self._active = version

    def publication(self) -> str:
        return f"{self._active} {self._publications}" if self._active else ""

    def unpublished(self, version: str) -> bool:
        seen = self._published.get(version)
        return version in self._versions and (seen is None or seen.points != self._versions[version].points)

    def intact(self) -> bool:
        return False

    def versions(self) -> Mapping[str, IndexManifest]:
        return {name: version.manifest for name, version in sorted(self._versions.items())}

    def drop(self, version: str) -> None:
        if version == self._active:
            raise UsageError(still_active(version, self.collection))
        self._versions.pop(version, None)
        self._published.pop(version, None)

    def purge(self, document_ids: Collection[str]) -> int:
        before = sum(len(version.points) for version in self._versions.values())
        for version in (*self._versions.values(), *self._published.values()):
            kept = {
                key: point
                for key, point in version.points.items()
                if point.payload.get("document_id") not in document_ids
            }
            version.points = kept
        self._publications += 1
        return before - sum(len(version.points) for version in self._versions.values())

    @contextmanager
    def read(self, version: str = "") -> "Iterator[MemoryIndex]":
        from llm_engineering.infrastructure.vector_stores.memory.index import MemoryIndex

        if not self._active:
            raise UsageError(nothing_active(self.collection))
        if version and version not in self._published:
            raise UsageError(never_published(version, self.collection, list(self._versions)))
        seen = self._published[version or self._active]
        yield MemoryIndex(seen.manifest, seen.points)

    def active(self) -> IndexManifest | None:
        return self._published[self._active].manifest if self._active else None

    def close(self) -> None:
        self._versions.clear()
        self._published.clear()
        self._active = ""

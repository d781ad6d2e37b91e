"""The feature store on a Qdrant server, cluster or cloud.

A version is a Qdrant collection `<collection>__<version>`, the active one has the alias `<collection>`. Points carry
the generations between which they are to be seen, so readers never see a writer at work (see `qdrant_generations`).
One writer at a time is what the lease in the warehouse is for; here a run that was overtaken is only noticed.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.settings import Settings
from llm_engineering.infrastructure.vector_stores.edge_layout import checked_name
from llm_engineering.infrastructure.vector_stores.versions import (
    check_same_index,
    never_published,
    no_such_version,
    nothing_active,
    still_active,
    unflushed,
)

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.qdrant_catalog import Catalog
    from llm_engineering.infrastructure.vector_stores.qdrant_index import QdrantIndex
    from llm_engineering.infrastructure.vector_stores.qdrant_server import Server
    from llm_engineering.infrastructure.vector_stores.qdrant_version import Version


class Qdrant(Value):
    """Keep the index on a Qdrant server. The API key is read from LLM_ENGINEERING_QDRANT_API_KEY and nowhere else."""

    kind: Literal["qdrant"] = "qdrant"
    url: str = Field(
        "", description="for example https://qdrant.example.org:6333; empty: LLM_ENGINEERING_QDRANT_URL says it"
    )
    timeout_seconds: int = Field(30, ge=1, le=3600, description="for one request")
    patience_seconds: float = Field(
        60.0, ge=0, le=86_400, description="how long a server that is away or overloaded is asked again"
    )
    batch: int = Field(256, ge=1, le=10_000, description="points in one request; larger ones are split if refused")
    reader_seconds: float = Field(
        300.0,
        ge=0,
        le=86_400,
        description="how long what a publication replaced stays for those who opened the index before it",
    )
    prefer_grpc: bool = Field(False, description="use gRPC (port 6334) where the client can")
    allow_insecure_key: bool = Field(
        False, description="send the API key over plain http to another machine; anybody on the way can read it"
    )
    shard_number: int | None = Field(None, ge=1, le=1024, description="of a new version; null: the server decides")
    replication_factor: int | None = Field(None, ge=1, le=16, description="of a new version; null: the server decides")
    on_disk: bool = Field(False, description="keep the vectors of a new version on disk: less memory, slower")
    quantization: Literal["none", "int8", "binary"] = Field(
        "none", description="compress the vectors of a new version in memory; the best hits are scored again in full"
    )

    def open(self, home: Path, collection: str, run: int = 0) -> "QdrantStore":  # noqa: ARG002 - state is remote
        """Return the store of a collection; the server is first asked when something is read or written.

        Raises:
            UsageError: there is no URL, or the API key would travel in the clear.
        """
        from llm_engineering.infrastructure.vector_stores.qdrant_catalog import Catalog
        from llm_engineering.infrastructure.vector_stores.qdrant_server import connect

        checked_name(collection, "collection")
        settings = Settings()
        server = connect(self, self.url or settings.qdrant_url, settings.qdrant_api_key.get_secret_value())
        return QdrantStore(Catalog(server, collection, self), self, run)


class QdrantStore:
    """The versions of one collection."""

    def __init__(self, catalog: "Catalog", spec: Qdrant, run: int) -> None:
        self.collection = catalog.collection
        self._catalog = catalog
        self._spec = spec
        self._run = run
        self._writer: QdrantIndex | None = None

    @property
    def _server(self) -> "Server":
        return self._catalog.server

    @contextmanager
    def write(self, manifest: IndexManifest) -> "Iterator[QdrantIndex]":
        from llm_engineering.infrastructure.vector_stores.qdrant_index import QdrantIndex
        from llm_engineering.infrastructure.vector_stores.qdrant_session import Session

        if self._writer is not None:
            raise BackendError(f"collection {self.collection!r} is being written to; one writer at a time")
        version = self._catalog.find(manifest.version) or self._catalog.create(manifest)
        check_same_index(version.manifest, manifest, self.collection)
        version = self._catalog.claim(version, self._run)
        self._catalog.prune(version)
        session = Session(self._catalog, version, self._run)
        self._writer = index = QdrantIndex(self._server, version, version.next, self._spec, session)
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
        found = self._catalog.claim(found, self._run)
        index = writer or self._opened(found, found.next)
        if index.settle() or not found.published:
            found = self._catalog.advance(found)
            index.generation = found.next
        self._catalog.point_readers_to(found)
        self._catalog.prune(found)

    def activate(self, version: str) -> None:
        found = self._catalog.find(version)
        if found is None or not found.published:
            raise UsageError(never_published(version, self.collection, list(self._catalog.versions())))
        self._catalog.point_readers_to(self._catalog.claim(found, self._run))

    def publication(self) -> str:
        version = self._catalog.active()
        return f"{version.name} {version.published}" if version else ""

    def unpublished(self, version: str) -> bool:
        found = self._catalog.find(version)
        return found is not None and (not found.published or self._opened(found, found.next).has_unpublished())

    def intact(self) -> bool:
        return False  # a server has no bytes to show

    def versions(self) -> Mapping[str, IndexManifest]:
        return {name: version.manifest for name, version in self._catalog.versions().items()}

    def drop(self, version: str) -> None:
        found = self._catalog.find(version)
        if found is None:
            return
        active = self._catalog.active()
        if active is not None and active.name == found.name:
            raise UsageError(still_active(version, self.collection))
        self._catalog.check_run(self._run)
        self._catalog.drop(found)

    def purge(self, document_ids: Collection[str]) -> int:
        versions = self._catalog.versions().values()
        return sum(self._catalog.purge(self._catalog.claim(each, self._run), document_ids) for each in versions)

    @contextmanager
    def read(self, version: str = "") -> "Iterator[QdrantIndex]":
        found = self._catalog.find(version) if version else self._catalog.active()
        if version and (found is None or not found.published):
            raise UsageError(never_published(version, self.collection, list(self._catalog.versions())))
        if found is None:
            raise UsageError(nothing_active(self.collection))
        yield self._opened(found, found.published)

    def active(self) -> IndexManifest | None:
        version = self._catalog.active()
        return version.manifest if version else None

    def close(self) -> None:
        self._server.close()

    def _opened(self, version: "Version", generation: int) -> "QdrantIndex":
        from llm_engineering.infrastructure.vector_stores.qdrant_index import QdrantIndex

        return QdrantIndex(self._server, version, generation, self._spec)

    def _known(self, version: str) -> "Version":
        found = self._catalog.find(version)
        if found is None:
            raise UsageError(no_such_version(version, self.collection, list(self._catalog.versions())))
        return found

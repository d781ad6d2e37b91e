"""The versions of a collection on a Qdrant server: Qdrant collections, the alias of the active one, their metadata."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from qdrant_client import models

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.infrastructure.vector_stores.batches import IDS_PER_REQUEST, in_parts
from llm_engineering.infrastructure.vector_stores.qdrant.generations import ended_by
from llm_engineering.infrastructure.vector_stores.qdrant.server import Refused, Server
from llm_engineering.infrastructure.vector_stores.qdrant.terms import dense_params, sparse_params
from llm_engineering.infrastructure.vector_stores.qdrant.version import PUBLISHED, WRITER, made, version_in
from llm_engineering.infrastructure.vector_stores.qdrant_edge.layout import checked_name
from llm_engineering.infrastructure.vector_stores.versioned.books import Books
from llm_engineering.infrastructure.vector_stores.versioned.generations import FROM, ID, UNTIL
from llm_engineering.infrastructure.vector_stores.versioned.version import Version

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.qdrant.spec import Qdrant

# Collections have metadata since this version.
OLDEST_SERVER = (1, 16)
OPENING_ATTEMPTS = 5
NOT_FOUND = 404
EXISTS = 409

BASE_INDEXES = {
    ID: models.PayloadSchemaType.UUID,
    FROM: models.PayloadSchemaType.INTEGER,
    UNTIL: models.PayloadSchemaType.INTEGER,
    "uri": models.PayloadSchemaType.KEYWORD,
    "source": models.PayloadSchemaType.KEYWORD,
    "document_id": models.PayloadSchemaType.KEYWORD,
}


class Catalog(Books):
    """What the server knows about the versions of one collection."""

    def __init__(self, server: Server, collection: str, spec: "Qdrant") -> None:
        super().__init__(collection, spec.reader_seconds)
        self.server = server
        self._client = server.client
        self._spec = spec

    def find(self, version: str) -> Version | None:
        """Return a version, or None if there is no such one.

        Raises:
            UsageError: its place is taken by a Qdrant collection of somebody else.
        """
        name = self._name(version)
        info = self._info(name)
        if info is None:
            return None
        found = version_in(name, info, self.collection)
        if found is None or found.manifest.version != version:
            raise UsageError(
                f"the Qdrant collection {name!r} exists and is not version {version!r} of collection "
                f"{self.collection!r}; choose another name under load: collection"
            )
        return found

    def standing(self, version: str) -> tuple[Version | None, int]:
        # A later run that writes to another version is found when readers are switched: to ask here for the run of
        # every version would be a request for each collection, at each batch.
        found = self.find(version)
        return found, found.run if found else 0

    def versions(self) -> Mapping[str, Version]:
        found = {}
        for name in sorted(self._names()):
            info = self._info(name) if name.startswith(f"{self.collection}__") else None
            version = version_in(name, info, self.collection) if info else None
            if version is not None:
                found[version.manifest.version] = version
        return found

    def create(self, manifest: IndexManifest) -> Version:
        """Create an empty version; its indexes come with the first writer."""
        self._check_server()
        name = self._name(manifest.version)
        try:
            self.server.call(
                self._client.create_collection,
                name,
                vectors_config={"dense": dense_params(manifest.model.dimension, self._spec)},
                sparse_vectors_config={"sparse": sparse_params(self._spec)},
                shard_number=self._spec.shard_number,
                replication_factor=self._spec.replication_factor,
                on_disk_payload=self._spec.on_disk or None,
                # A text also means the number that it spells, and one field has an index of one kind only.
                strict_mode_config=models.StrictModeConfig(
                    unindexed_filtering_retrieve=True, unindexed_filtering_update=True
                ),
                metadata=made(self.collection, manifest),
            )
        except Refused as refused:
            if refused.status != EXISTS:
                raise
        found = self.find(manifest.version)
        if found is None:
            raise BackendError(f"the Qdrant server at {self.server.url} has lost the collection {name!r} just created")
        return found

    def purge(self, version: Version, document_ids: Collection[str]) -> int:
        """Delete the points of documents in all generations, and return how many there were.

        The server keeps their bytes until its optimizer merges the segments that they were in.
        """
        removed = 0
        for part in in_parts(sorted(set(document_ids)), IDS_PER_REQUEST):
            mine = models.FieldCondition(key="document_id", match=models.MatchAny(any=list(part)))
            theirs = models.Filter(must=[mine])
            removed += self.server.call(self._client.count, version.table, count_filter=theirs, exact=True).count
            self._remove(version, theirs)
        return removed

    def active(self) -> Version | None:
        """Return the version that the alias names, or None before the first publication."""
        for _ in range(OPENING_ATTEMPTS):
            # The server lists aliases collection by collection: one that is switched meanwhile shows twice or never.
            targets = self._alias_targets() or self._alias_targets()
            if not targets:
                return None
            info = self._info(targets[0]) if len(targets) == 1 else None
            if info is not None:
                version = version_in(targets[0], info, self.collection)
                if version is None or not version.published:
                    raise BackendError(
                        f"the alias {self.collection!r} on the Qdrant server at {self.server.url} names "
                        f"{targets[0]!r}, which is no published index; remove the alias and run the feature pipeline"
                    )
                return version
        raise BackendError(
            f"the alias {self.collection!r} on the Qdrant server at {self.server.url} names nothing that stays; "
            "run the feature pipeline to publish again",
            transient=True,
        )

    def point_readers_to(self, version: Version) -> None:
        targets = self._alias_targets()
        if targets == [version.table]:
            return
        if foreign := [target for target in targets if not target.startswith(f"{self.collection}__")]:
            raise UsageError(
                f"the alias {self.collection!r} on the Qdrant server at {self.server.url} names {foreign[0]!r}, which "
                "is not ours to switch; choose another name under load: collection"
            )
        create = models.CreateAlias(collection_name=version.table, alias_name=self.collection)
        actions: list[models.AliasOperations] = [models.CreateAliasOperation(create_alias=create)]
        if targets:
            delete = models.DeleteAlias(alias_name=self.collection)
            actions.insert(0, models.DeleteAliasOperation(delete_alias=delete))
        self.server.call(self._client.update_collection_aliases, change_aliases_operations=actions)

    def drop(self, version: Version) -> None:
        self.server.call(self._client.delete_collection, version.table)

    def close(self) -> None:
        self.server.close()

    def _put_publication(self, version: Version) -> None:
        self._set_metadata(version, {PUBLISHED: version.publication})

    def _put_writer(self, version: Version) -> None:
        self._set_metadata(version, {WRITER: version.writer})

    def _remove_ended(self, version: Version, by: int) -> None:
        self._remove(version, ended_by(by))

    def _name(self, version: str) -> str:
        return f"{self.collection}__{checked_name(version, 'version')}"

    def _names(self) -> list[str]:
        return [found.name for found in self.server.call(self._client.get_collections).collections]

    def _alias_targets(self) -> list[str]:
        aliases = self.server.call(self._client.get_aliases).aliases
        return [alias.collection_name for alias in aliases if alias.alias_name == self.collection]

    def _info(self, name: str) -> models.CollectionInfo | None:
        try:
            return self.server.call(self._client.get_collection, name)
        except Refused as refused:
            if refused.status == NOT_FOUND:
                return None
            raise

    def _check_server(self) -> None:
        """Refuse what could not keep an index of ours, before anything is created."""
        if self.server.version < OLDEST_SERVER:
            found, oldest = (".".join(map(str, version)) for version in (self.server.version, OLDEST_SERVER))
            raise UsageError(f"the Qdrant server at {self.server.url} is version {found}; {oldest} or newer is needed")
        if self.collection in self._names():
            raise UsageError(
                f"the Qdrant server at {self.server.url} has a collection {self.collection!r}, and readers need that "
                "name as an alias; choose another one under load: collection"
            )

    def _set_metadata(self, version: Version, metadata: dict[str, Any]) -> None:
        self.server.call(self._client.update_collection, version.table, metadata=metadata)

    def _remove(self, version: Version, points: models.Filter) -> None:
        selector = models.FilterSelector(filter=points)
        self.server.call(self._client.delete, version.table, points_selector=selector, wait=True)

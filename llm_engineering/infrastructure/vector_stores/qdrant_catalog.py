"""The versions of a collection on a Qdrant server: Qdrant collections, the alias of the active one, their metadata."""

import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qdrant_client import models

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.infrastructure.vector_stores.edge_layout import checked_name
from llm_engineering.infrastructure.vector_stores.qdrant_generations import FROM, ID, UNTIL, ended_by
from llm_engineering.infrastructure.vector_stores.qdrant_server import Refused, Server
from llm_engineering.infrastructure.vector_stores.qdrant_terms import dense_params, sparse_params
from llm_engineering.infrastructure.vector_stores.qdrant_version import Version, made, published, version_in, writer
from llm_engineering.infrastructure.vector_stores.versions import Overtaken

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.qdrant import Qdrant

# Collections have metadata since this version.
OLDEST_SERVER = (1, 16)
OPENING_ATTEMPTS = 5
IDS_PER_REQUEST = 1_000
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


class Catalog:
    """What the server knows about the versions of one collection."""

    def __init__(self, server: Server, collection: str, spec: "Qdrant") -> None:
        self.server = server
        self.collection = collection
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

    def versions(self) -> Mapping[str, Version]:
        """Return all versions of this collection."""
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
        self._set_metadata(version, writer(version))
        return version

    def advance(self, version: Version) -> Version:
        """Let readers of this version see the next generation. One value is set, so they see all of it or nothing."""
        before = ((version.published, time.time()),) if version.published else ()
        advanced = replace(version, published=version.next, replaced=(*version.replaced, *before))
        self._set_metadata(advanced, published(advanced))
        return advanced

    def prune(self, version: Version) -> None:
        """Delete the points that nobody sees any more who opened the index a while ago or later."""
        since = time.time() - self._spec.reader_seconds
        held = tuple((generation, at) for generation, at in version.replaced if at > since)
        if held == version.replaced:
            return
        oldest = min((generation for generation, _ in held), default=version.published)
        selector = models.FilterSelector(filter=ended_by(oldest))
        self.server.call(self._client.delete, version.name, points_selector=selector, wait=True)
        pruned = replace(version, replaced=held)
        self._set_metadata(pruned, published(pruned))

    def purge(self, version: Version, document_ids: Collection[str]) -> int:
        """Delete the points of documents in all generations, and return how many there were.

        The server keeps their bytes until its optimizer merges the segments that they were in.
        """
        removed = 0
        ids = sorted(set(document_ids))
        for start in range(0, len(ids), IDS_PER_REQUEST):
            group = ids[start : start + IDS_PER_REQUEST]
            mine = models.FieldCondition(key="document_id", match=models.MatchAny(any=group))
            theirs = models.Filter(must=[mine])
            removed += self.server.call(self._client.count, version.name, count_filter=theirs, exact=True).count
            selector = models.FilterSelector(filter=theirs)
            self.server.call(self._client.delete, version.name, points_selector=selector, wait=True)
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
        """Switch the alias, in one step, if it does not name this version already."""
        targets = self._alias_targets()
        if targets == [version.name]:
            return
        if foreign := [target for target in targets if not target.startswith(f"{self.collection}__")]:
            raise UsageError(
                f"the alias {self.collection!r} on the Qdrant server at {self.server.url} names {foreign[0]!r}, which "
                "is not ours to switch; choose another name under load: collection"
            )
        create = models.CreateAlias(collection_name=version.name, alias_name=self.collection)
        actions: list[models.AliasOperations] = [models.CreateAliasOperation(create_alias=create)]
        if targets:
            delete = models.DeleteAlias(alias_name=self.collection)
            actions.insert(0, models.DeleteAliasOperation(delete_alias=delete))
        self.server.call(self._client.update_collection_aliases, change_aliases_operations=actions)

    def drop(self, version: Version) -> None:
        """Delete a version with all its points."""
        self.server.call(self._client.delete_collection, version.name)

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
        self.server.call(self._client.update_collection, version.name, metadata=metadata)

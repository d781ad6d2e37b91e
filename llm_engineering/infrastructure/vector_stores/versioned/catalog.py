"""The versions of a collection as the records of an engine tell them.

Under `<collection>/<version>/`: `made` holds the manifest, `published` which generation readers see and when earlier
ones were replaced, `writer` the last run that wrote or switched and whether one is at work. Each is set on its own, so
a writer that stands still never sets back what another one published. `<collection>//active` names the active version.
"""

import json
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from typing import Any

from llm_engineering.domain.conditions import In
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.infrastructure.vector_stores.batches import IDS_PER_REQUEST, in_parts
from llm_engineering.infrastructure.vector_stores.qdrant_edge.layout import checked_name
from llm_engineering.infrastructure.vector_stores.versioned.books import Books
from llm_engineering.infrastructure.vector_stores.versioned.engine import Engine
from llm_engineering.infrastructure.vector_stores.versioned.generations import ended_by, table_name
from llm_engineering.infrastructure.vector_stores.versioned.version import Version, version_of

MADE, PUBLISHED, WRITER = "made", "published", "writer"


class Catalog(Books):
    """The books of one collection, in the engine that keeps its rows."""

    def __init__(self, engine: Engine, collection: str, reader_seconds: float, place: str) -> None:
        super().__init__(collection, reader_seconds)
        self.engine = engine
        self._place = place

    def versions(self) -> Mapping[str, Version]:
        return self._state()[0]

    def find(self, version: str) -> Version | None:
        checked_name(version, "version")
        return self.versions().get(version)

    def standing(self, version: str) -> tuple[Version | None, int]:
        versions = self.versions()
        return versions.get(version), max((each.run for each in versions.values()), default=0)

    def active(self) -> Version | None:
        versions, active = self._state()
        if not active:
            return None
        found = versions.get(active)
        if found is None or not found.published:
            raise BackendError(
                f"the active version {active!r} of collection {self.collection!r} is not in {self._place}, or was "
                "never published; run the feature pipeline to publish again"
            )
        return found

    def create(self, manifest: IndexManifest) -> Version:
        """Create an empty version. What a killed process left of an earlier one of this name goes first."""
        name = checked_name(manifest.version, "version")
        version = Version(table_name(self.collection, name), manifest)
        self.engine.forget([self._key(name, PUBLISHED), self._key(name, WRITER)])
        self.engine.drop(version.table)
        self.ensure(version)
        self._put(name, MADE, {"manifest": manifest.model_dump(mode="json")})
        return version

    def ensure(self, version: Version) -> None:
        fields = dict.fromkeys(("uri", "source", "document_id", *version.manifest.payload_indexes))
        self.engine.create(version.table, version.manifest.model.dimension, tuple(fields))

    def point_readers_to(self, version: Version) -> None:
        if self._state()[1] != version.name:
            self._put("", "active", {"version": version.name})

    def drop(self, version: Version) -> None:
        self.engine.forget([self._key(version.name, part) for part in (MADE, PUBLISHED, WRITER)])
        self.engine.drop(version.table)

    def purge(self, version: Version, document_ids: Collection[str]) -> int:
        removed = 0
        self.ensure(version)
        for part in in_parts(sorted(set(document_ids)), IDS_PER_REQUEST):
            theirs = In(field="document_id", values=tuple(part))
            removed += self.engine.count(version.table, theirs)
            self.engine.remove(version.table, theirs)
        self.engine.erase(version.table)
        return removed

    def alone(self, run: int) -> AbstractContextManager[None]:
        return self.engine.writing(self.collection, run)

    def close(self) -> None:
        self.engine.close()

    def _put_publication(self, version: Version) -> None:
        self._put(version.name, PUBLISHED, version.publication)

    def _put_writer(self, version: Version) -> None:
        self._put(version.name, WRITER, version.writer)

    def _remove_ended(self, version: Version, by: int) -> None:
        self.engine.remove(version.table, ended_by(by))

    def _put(self, version: str, part: str, record: Mapping[str, object]) -> None:
        self.engine.put(self._key(version, part), json.dumps(record))

    def _key(self, version: str, part: str) -> str:
        return f"{self.collection}/{version}/{part}"

    def _state(self) -> tuple[dict[str, Version], str]:
        """Read all records of this collection, in one request: the versions, and the name of the active one."""
        records: dict[str, dict[str, Any]] = {}
        for key, text in self.engine.records(f"{self.collection}/").items():
            _, name, part = key.split("/", 2)
            records.setdefault(name, {})[part] = self._read(key, text)
        active = str(records.pop("", {}).get("active", {}).get("version", ""))
        return {name: self._version(name, parts) for name, parts in sorted(records.items()) if MADE in parts}, active

    def _version(self, name: str, parts: Mapping[str, Mapping[str, Any]]) -> Version:
        table, made = table_name(self.collection, name), parts[MADE].get("manifest")
        try:
            return version_of(table, made, parts.get(PUBLISHED, {}), parts.get(WRITER, {}))
        except (TypeError, ValueError) as error:
            raise self._damaged(self._key(name, MADE), error) from error

    def _read(self, key: str, text: str) -> Mapping[str, Any]:
        try:
            record = json.loads(text)
        except ValueError as error:
            raise self._damaged(key, error) from error
        if not isinstance(record, dict):
            raise self._damaged(key, TypeError(type(record).__name__))
        return record

    def _damaged(self, key: str, error: Exception) -> BackendError:
        return BackendError(
            f"the record {key!r} in {self._place} cannot be read ({type(error).__name__}); remove it there and run the "
            "feature pipeline to build the index again"
        )

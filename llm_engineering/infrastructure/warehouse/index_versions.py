"""Index versions: their names, their manifests, and when they go."""

from collections.abc import Collection, Sequence
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Row, and_, delete, func, select

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.indexes import IndexManifest, IndexRecord
from llm_engineering.infrastructure.warehouse.database import Part
from llm_engineering.infrastructure.warehouse.patience import patient
from llm_engineering.infrastructure.warehouse.tables import (
    activations,
    index_versions,
    indexed_chunks,
    indexed_documents,
)
from llm_engineering.infrastructure.warehouse.values import now


class IndexVersions(Part):
    """The registered index versions of each collection."""

    def register_index(
        self, collection: str, manifest: IndexManifest, run: int, taken: Collection[str] = ()
    ) -> IndexManifest:
        # Where writers do not exclude each other, another one may take the number first: then look again.
        while (stored := self._registered(collection, manifest.fingerprint)) is None:
            self._register(collection, manifest, run, taken)
        return stored

    def index_records(self, collection: str | None = None) -> Sequence[tuple[str, IndexRecord]]:
        version, ledger = index_versions.c, indexed_documents.c
        counts = [func.count(ledger.document_id).label("documents"), func.sum(ledger.chunks).label("chunks")]
        query = select(index_versions, *counts).outerjoin(indexed_documents, ledger.index_id == version.id)
        query = query.group_by(*index_versions.c).order_by(version.collection, version.number)
        if collection is not None:
            query = query.where(version.collection == collection)
        return [(row.collection, _record(row)) for row in self._all(query)]

    @patient
    def drop_index(self, collection: str, version: str, run: int = 0) -> None:
        name = and_(index_versions.c.collection == collection, index_versions.c.number == _number(version))
        with self._database.writing() as connection:
            self._fence(connection, run)
            index_id = connection.execute(select(index_versions.c.id).where(name)).scalar_one_or_none()
            for table in (indexed_chunks, indexed_documents):
                connection.execute(delete(table).where(table.c.index_id == index_id))
            connection.execute(delete(index_versions).where(index_versions.c.id == index_id))

    @patient
    def _registered(self, collection: str, fingerprint: str) -> IndexManifest | None:
        mine = and_(index_versions.c.collection == collection, index_versions.c.fingerprint == fingerprint)
        with self._database.reading() as connection:
            stored = connection.execute(select(index_versions.c.manifest).where(mine)).scalar_one_or_none()
        if stored is None:
            return None
        return _manifest(stored, collection)

    @patient
    def _register(self, collection: str, manifest: IndexManifest, run: int, taken: Collection[str]) -> None:
        highest = select(func.max(index_versions.c.number)).where(index_versions.c.collection == collection)
        with self._database.writing() as connection:
            self._fence(connection, run)
            # A dropped version's name may still be written in an export: none is given twice.
            used = [self._last_activated(connection, collection), *map(_number, taken)]
            number = max(connection.execute(highest).scalar() or 0, *used) + 1
            row = {
                "collection": collection,
                "number": number,
                "fingerprint": manifest.fingerprint,
                "manifest": manifest.model_copy(update={"version": f"v{number}"}).model_dump_json(ensure_ascii=True),
                "run": run,
                "created_at": now(),
            }
            connection.execute(self._database.insert(index_versions).values(row).on_conflict_do_nothing())

    @staticmethod
    def _last_activated(connection: Connection, collection: str) -> int:
        versions = select(activations.c.version).where(activations.c.collection == collection).distinct()
        return max((_number(version) for version in connection.execute(versions).scalars()), default=0)

    def _index_id(self, collection: str, version: str) -> int:
        registered = select(index_versions.c.id, index_versions.c.number).where(
            index_versions.c.collection == collection
        )
        known = {f"v{row.number}": int(row.id) for row in self._all(registered.order_by(index_versions.c.number))}
        if version not in known:
            names = ", ".join(known) or "none yet"
            raise UsageError(f"collection {collection!r} has no index version {version!r}; registered: {names}")
        return known[version]


def _record(row: Row[Any]) -> IndexRecord:
    return IndexRecord(
        manifest=_manifest(row.manifest, row.collection),
        run=row.run,
        created_at=row.created_at,
        documents=row.documents,
        chunks=row.chunks or 0,
    )


def _manifest(stored: str, collection: str) -> IndexManifest:
    try:
        return IndexManifest.model_validate_json(stored)
    except ValidationError as error:
        raise BackendError(f"the manifest of an index version of {collection!r} is damaged: {error}") from error


def _number(version: str) -> int:
    """Return the number in a version's name, or 0: names that are not ours do not count."""
    digits = version.removeprefix("v")
    return int(digits) if version.startswith("v") and digits.isdecimal() and len(digits) < 10 else 0

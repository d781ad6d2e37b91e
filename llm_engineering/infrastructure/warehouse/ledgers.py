"""The ledgers: which documents and chunks each index version holds."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Row, Table, and_, bindparam, delete, func, select, tuple_

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.indexes import DocumentState, IndexManifest
from llm_engineering.infrastructure.warehouse.database import Part, execute_many
from llm_engineering.infrastructure.warehouse.paging import ROWS_PER_PAGE, in_groups, pages
from llm_engineering.infrastructure.warehouse.storing import unique
from llm_engineering.infrastructure.warehouse.tables import index_versions, indexed_chunks, indexed_documents
from llm_engineering.infrastructure.warehouse.values import now


class Ledgers(Part):
    """The ledgers of the index versions. A version that was never registered is an error, not an empty ledger."""

    def register_index(self, collection: str, manifest: IndexManifest, run: int) -> IndexManifest:
        # Where writers do not exclude each other, another one may take the number first: then look again.
        while (stored := self._registered(collection, manifest.fingerprint)) is None:
            self._register(collection, manifest, run)
        return stored

    def indexed(self, collection: str, version: str) -> Iterator[DocumentState]:
        ledger = indexed_documents.c
        query = select(ledger.document_id, ledger.content_hash)
        query = query.where(ledger.index_id == self._index_id(collection, version)).order_by(ledger.document_id)

        def after(last: Row[Any] | None) -> Sequence[Row[Any]]:
            page = query if last is None else query.where(ledger.document_id > last.document_id)
            return self._all(page.limit(ROWS_PER_PAGE))

        return (DocumentState(*row) for row in pages(after))

    def indexed_chunks(
        self, collection: str, version: str, document_ids: Collection[str] | None = None
    ) -> Iterator[str]:
        index_id = self._index_id(collection, version)
        if document_ids is None:
            return self._chunks(index_id, None)
        groups = in_groups(sorted(set(document_ids)))
        return (chunk_id for group in groups for chunk_id in self._chunks(index_id, group))

    def record_indexed(
        self, collection: str, version: str, entries: Sequence[tuple[DocumentState, Sequence[str]]], run: int
    ) -> None:
        index_id = self._index_id(collection, version)
        by_id = unique((state.document_id, (state, chunk_ids)) for state, chunk_ids in entries)
        states = [
            {"index_id": index_id, "document_id": key, "content_hash": state.content_hash, "run": run}
            for key, (state, _) in by_id.items()
        ]
        chunks = [
            {"index_id": index_id, "document_id": key, "chunk_id": chunk_id}
            for key, (_, chunk_ids) in by_id.items()
            for chunk_id in sorted(set(chunk_ids))
        ]
        upsert = self._database.insert(indexed_documents)
        upsert = upsert.on_conflict_do_update(
            index_elements=[indexed_documents.c.index_id, indexed_documents.c.document_id],
            set_={"content_hash": upsert.excluded.content_hash, "run": upsert.excluded.run},
        )
        with self._database.writing() as connection:
            _delete(connection, indexed_chunks, index_id, by_id)
            execute_many(connection, upsert, states)
            execute_many(connection, self._database.insert(indexed_chunks), chunks)

    def forget_indexed(self, collection: str, version: str, document_ids: Collection[str]) -> None:
        index_id = self._index_id(collection, version)
        with self._database.writing() as connection:
            for ledger in (indexed_chunks, indexed_documents):
                _delete(connection, ledger, index_id, sorted(set(document_ids)))

    def _chunks(self, index_id: int, document_ids: Sequence[str] | None) -> Iterator[str]:
        ledger = indexed_chunks.c
        place = tuple_(ledger.document_id, ledger.chunk_id)
        query = select(ledger.document_id, ledger.chunk_id).where(ledger.index_id == index_id)
        query = query.order_by(ledger.document_id, ledger.chunk_id)
        if document_ids is not None:
            query = query.where(ledger.document_id.in_(document_ids))

        def after(last: Row[Any] | None) -> Sequence[Row[Any]]:
            page = query if last is None else query.where(place > tuple_(last.document_id, last.chunk_id))
            return self._all(page.limit(ROWS_PER_PAGE))

        return (row.chunk_id for row in pages(after))

    def _registered(self, collection: str, fingerprint: str) -> IndexManifest | None:
        mine = and_(index_versions.c.collection == collection, index_versions.c.fingerprint == fingerprint)
        with self._database.reading() as connection:
            stored = connection.execute(select(index_versions.c.manifest).where(mine)).scalar_one_or_none()
        if stored is None:
            return None
        try:
            return IndexManifest.model_validate_json(stored)
        except ValidationError as error:
            raise BackendError(f"the manifest of an index version of {collection!r} is damaged: {error}") from error

    def _register(self, collection: str, manifest: IndexManifest, run: int) -> None:
        highest = select(func.max(index_versions.c.number)).where(index_versions.c.collection == collection)
        with self._database.writing() as connection:
            number = (connection.execute(highest).scalar() or 0) + 1
            row = {
                "collection": collection,
                "number": number,
                "fingerprint": manifest.fingerprint,
                "manifest": manifest.model_copy(update={"version": f"v{number}"}).model_dump_json(ensure_ascii=True),
                "run": run,
                "created_at": now(),
            }
            connection.execute(self._database.insert(index_versions).values(row).on_conflict_do_nothing())

    def _index_id(self, collection: str, version: str) -> int:
        registered = select(index_versions.c.id, index_versions.c.number).where(
            index_versions.c.collection == collection
        )
        known = {f"v{row.number}": int(row.id) for row in self._all(registered.order_by(index_versions.c.number))}
        if version not in known:
            names = ", ".join(known) or "none yet"
            raise UsageError(f"collection {collection!r} has no index version {version!r}; registered: {names}")
        return known[version]


def _delete(connection: Connection, ledger: Table, index_id: int, document_ids: Collection[str]) -> None:
    # One by one, by the primary key: with a long IN, a server without statistics yet reads the whole ledger each time.
    mine = and_(ledger.c.index_id == index_id, ledger.c.document_id == bindparam("same_id"))
    execute_many(connection, delete(ledger).where(mine), [{"same_id": document_id} for document_id in document_ids])

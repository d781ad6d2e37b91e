"""The ledgers: which documents and chunks each index version holds."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, bindparam, case, delete, func, select, tuple_

from llm_engineering.domain.indexes import DocumentState, IndexedChunk
from llm_engineering.infrastructure.warehouse.database import execute_many
from llm_engineering.infrastructure.warehouse.index_versions import IndexVersions
from llm_engineering.infrastructure.warehouse.paging import ROWS_PER_PAGE, in_groups, pages
from llm_engineering.infrastructure.warehouse.patience import patient
from llm_engineering.infrastructure.warehouse.storing import unique
from llm_engineering.infrastructure.warehouse.tables import indexed_chunks, indexed_documents


class Ledgers(IndexVersions):
    """The ledgers of the index versions. A version that was never registered is an error, not an empty ledger."""

    def indexed(self, collection: str, version: str) -> Iterator[DocumentState]:
        ledger, parts = indexed_documents.c, indexed_chunks.c
        mine = and_(parts.index_id == ledger.index_id, parts.document_id == ledger.document_id)
        there = select(func.count()).select_from(indexed_chunks).where(mine).scalar_subquery()
        trusted = case((ledger.chunks == there, ledger.content_hash), else_="").label("trusted_hash")
        query = select(ledger.document_id, trusted)
        query = query.where(ledger.index_id == self._index_id(collection, version)).order_by(ledger.document_id)

        def after(last: Row[Any] | None) -> Sequence[Row[Any]]:
            page = query if last is None else query.where(ledger.document_id > last.document_id)
            return self._all(page.limit(ROWS_PER_PAGE))

        return (DocumentState(*row) for row in pages(after))

    def indexed_chunks(
        self, collection: str, version: str, document_ids: Collection[str] | None = None
    ) -> Iterator[IndexedChunk]:
        index_id = self._index_id(collection, version)
        if document_ids is None:
            return self._chunks(index_id, None)
        groups = in_groups(sorted(set(document_ids)))
        return (chunk for group in groups for chunk in self._chunks(index_id, group))

    @patient
    def record_indexed(
        self, collection: str, version: str, entries: Sequence[tuple[DocumentState, Sequence[IndexedChunk]]], run: int
    ) -> None:
        index_id = self._index_id(collection, version)
        by_id = unique((state.document_id, (state, _by_id(chunks))) for state, chunks in entries)
        place: dict[str, object] = {"index_id": index_id, "run": run}
        states = [
            place | {"document_id": key, "content_hash": state.content_hash, "chunks": len(chunks)}
            for key, (state, chunks) in by_id.items()
        ]
        chunks = [
            {
                "index_id": index_id,
                "document_id": key,
                "chunk_id": chunk_id,
                "text_hash": chunk.text_hash,
                "digest": chunk.digest,
            }
            for key, (_, parts) in by_id.items()
            for chunk_id, chunk in parts.items()
        ]
        upsert = self._database.insert(indexed_documents)
        upsert = upsert.on_conflict_do_update(
            index_elements=[indexed_documents.c.index_id, indexed_documents.c.document_id],
            set_={name: upsert.excluded[name] for name in ("content_hash", "chunks", "run")},
        )
        with self._database.writing() as connection:
            self._fence(connection, run)
            _delete(connection, indexed_chunks, index_id, by_id)
            execute_many(connection, upsert, states)
            execute_many(connection, self._database.insert(indexed_chunks), chunks)

    @patient
    def distrust(self, collection: str, version: str, chunk_ids: Collection[str], run: int = 0) -> None:
        index_id = self._index_id(collection, version)
        ledger = indexed_chunks.c
        with self._database.writing() as connection:
            self._fence(connection, run)
            for group in in_groups(sorted(set(chunk_ids))):
                mine = and_(ledger.index_id == index_id, ledger.chunk_id.in_(group))
                connection.execute(delete(indexed_chunks).where(mine))

    @patient
    def forget_indexed(self, collection: str, version: str, document_ids: Collection[str], run: int = 0) -> None:
        index_id = self._index_id(collection, version)
        with self._database.writing() as connection:
            self._fence(connection, run)
            for ledger in (indexed_chunks, indexed_documents):
                _delete(connection, ledger, index_id, sorted(set(document_ids)))

    def _chunks(self, index_id: int, document_ids: Sequence[str] | None) -> Iterator[IndexedChunk]:
        ledger = indexed_chunks.c
        place = tuple_(ledger.document_id, ledger.chunk_id)
        columns = (ledger.document_id, ledger.chunk_id, ledger.text_hash, ledger.digest)
        query = select(*columns).where(ledger.index_id == index_id)
        query = query.order_by(ledger.document_id, ledger.chunk_id)
        if document_ids is not None:
            query = query.where(ledger.document_id.in_(document_ids))

        def after(last: Row[Any] | None) -> Sequence[Row[Any]]:
            page = query if last is None else query.where(place > tuple_(last.document_id, last.chunk_id))
            return self._all(page.limit(ROWS_PER_PAGE))

        return (IndexedChunk(*row) for row in pages(after))


def _by_id(chunks: Sequence[IndexedChunk]) -> dict[str, IndexedChunk]:
    return {chunk.chunk_id: chunk for chunk in sorted(chunks, key=lambda chunk: chunk.chunk_id)}


def _delete(connection: Connection, ledger: Table, index_id: int, document_ids: Collection[str]) -> None:
    # One by one, by the primary key: with a long IN, a server without statistics yet reads the whole ledger each time.
    mine = and_(ledger.c.index_id == index_id, ledger.c.document_id == bindparam("same_id"))
    execute_many(connection, delete(ledger).where(mine), [{"same_id": document_id} for document_id in document_ids])

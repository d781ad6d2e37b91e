"""What the warehouse tells of documents, versions and chunks, for lineage and for erasure: everything but texts."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Row, and_, distinct, func, select

from llm_engineering.domain.erasure import authors_of
from llm_engineering.domain.records import ChunkRecord, DocumentRecord, IndexedRecord, NameKind, VersionRecord
from llm_engineering.infrastructure.warehouse.database import Part
from llm_engineering.infrastructure.warehouse.exact_text import storable
from llm_engineering.infrastructure.warehouse.paging import in_groups
from llm_engineering.infrastructure.warehouse.tables import (
    document_versions,
    documents,
    index_versions,
    indexed_chunks,
    indexed_documents,
    rejections,
    users,
)
from llm_engineering.infrastructure.warehouse.values import from_json

_DOCUMENT = [documents.c[name] for name in DocumentRecord.__slots__]
_VERSION = [
    document_versions.c.version.label("run"),
    *(document_versions.c[name] for name in VersionRecord.__slots__ if name != "run"),
]
_same_index = index_versions.c.id == indexed_documents.c.index_id


class Records(Part):
    """Read-only answers about what is stored where."""

    def document_records(self, kind: NameKind, names: Collection[str]) -> Sequence[DocumentRecord]:
        if kind == "user":
            return self._documents(documents.c.id, {key for name in names for key in self._written_by(name)})
        if kind == "id":
            return self._documents(documents.c.id, map(storable, names))  # people type anything
        return self._documents(documents.c.uri if kind == "uri" else documents.c.source, names)

    def version_records(self, document_id: str) -> Sequence[VersionRecord]:
        mine = document_versions.c.document_id == document_id
        query = select(*_VERSION).where(mine).order_by(document_versions.c.version)
        return [VersionRecord(*row) for row in self._all(query)]

    def chunk_records(self, chunk_id: str) -> Sequence[ChunkRecord]:
        part, ledger, version = indexed_chunks.c, indexed_documents.c, index_versions.c
        of_document = and_(part.index_id == ledger.index_id, part.document_id == ledger.document_id)
        query = (
            select(
                part.chunk_id,
                part.document_id,
                version.collection,
                version.number,
                ledger.content_hash,
                part.text_hash,
                ledger.run,
            )
            .join(indexed_documents, of_document)
            .join(index_versions, _same_index)
            .where(part.chunk_id == storable(chunk_id))
            .order_by(version.collection, version.number)
        )
        return [ChunkRecord(row[0], row[1], row[2], f"v{row[3]}", *row[4:]) for row in self._all(query)]

    def indexed_records(self, document_ids: Collection[str]) -> Sequence[IndexedRecord]:
        ledger, version = indexed_documents.c, index_versions.c
        counts = (func.count(ledger.document_id), func.sum(ledger.chunks))
        query = select(version.collection, version.number, *counts).join(index_versions, _same_index)
        query = query.group_by(version.collection, version.number)
        totals: dict[tuple[str, int], tuple[int, int]] = {}
        for group in in_groups(sorted(set(document_ids))):
            for collection, number, held, chunks in self._all(query.where(ledger.document_id.in_(group))):
                before = totals.get((collection, number), (0, 0))
                totals[collection, number] = (before[0] + held, before[1] + (chunks or 0))
        return [IndexedRecord(name, f"v{number}", *counted) for (name, number), counted in sorted(totals.items())]

    def stored_by(self, run: int) -> Sequence[DocumentRecord]:
        query = select(document_versions.c.document_id).where(document_versions.c.version == run)
        return self._documents(documents.c.id, [row[0] for row in self._all(query)])

    def known_names(self, kind: NameKind) -> Collection[str]:
        if kind == "user":
            rows = self._all(select(users.c.first_name, users.c.last_name).order_by(users.c.last_name))
            return [f"{row.first_name} {row.last_name}".strip() for row in rows]
        columns = [table.c["source" if kind == "source" else "uri"] for table in (documents, rejections)]
        return sorted({row[0] for column in columns for row in self._all(select(distinct(column)))})

    def _documents(self, column: Any, values: Iterable[str]) -> Sequence[DocumentRecord]:
        found: dict[str, Row[Any]] = {}
        for group in in_groups(sorted(set(values))):
            found.update((row.id, row) for row in self._all(select(*_DOCUMENT).where(column.in_(group))))
        return [DocumentRecord(*found[key]) for key in sorted(found)]

    def _written_by(self, user_id: str) -> set[str]:
        """Return the ids of the documents that name the user as their author, by id or in their metadata."""
        version = document_versions.c
        by_id = select(version.document_id).where(version.user_id == user_id)
        found = {str(row[0]) for row in self._all(by_id)}
        named = select(version.document_id, version.metadata).where(version.metadata.like('%"author"%'))
        for row in self._all(named):
            if user_id in authors_of("", from_json(row.metadata).get("author")):
                found.add(row.document_id)
        return found

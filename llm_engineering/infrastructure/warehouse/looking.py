"""What people look through: documents as a list, what was refused, and a second look at that."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import Row, Select, and_, case, delete, func, or_, select, tuple_, update

from llm_engineering.domain.erasure import authors_of
from llm_engineering.domain.records import DocumentListing, LedgerRecord, Refusal, SourceCount
from llm_engineering.domain.users import User
from llm_engineering.infrastructure.warehouse.database import Part
from llm_engineering.infrastructure.warehouse.exact_text import storable
from llm_engineering.infrastructure.warehouse.paging import ROWS_PER_PAGE, in_groups, pages
from llm_engineering.infrastructure.warehouse.patience import patient
from llm_engineering.infrastructure.warehouse.tables import document_versions as versions
from llm_engineering.infrastructure.warehouse.tables import documents, index_versions, rejections, runs, users
from llm_engineering.infrastructure.warehouse.tables import indexed_documents as ledger
from llm_engineering.infrastructure.warehouse.values import from_json

_current = and_(versions.c.document_id == documents.c.id, versions.c.version == documents.c.version)
_LISTED = [
    documents.c.id,
    documents.c.source,
    documents.c.uri,
    documents.c.key,
    versions.c.title,
    versions.c.format,
    versions.c.user_id,
    versions.c.characters,
    documents.c.version,
    documents.c.last_run,
]


class Looking(Part):
    """Lists in bounded memory, none of which reads a text."""

    def listing(self, source: str = "", user_id: str = "") -> Iterator[DocumentListing]:
        query = select(*_LISTED, versions.c.metadata).join(versions, _current).where(documents.c.live)
        if source:
            query = query.where(documents.c.source == source)
        if user_id:
            mine = or_(versions.c.user_id == user_id, versions.c.metadata.like('%"author"%'))
            query = query.where(mine)
        place = tuple_(documents.c.source, documents.c.id)
        for row in self._paged(query, place, lambda last: (last.source, last.id)):
            if not user_id or user_id in authors_of(row.user_id, from_json(row.metadata).get("author")):
                yield DocumentListing(*row[: len(_LISTED)])

    def source_counts(self) -> Sequence[SourceCount]:
        live = func.sum(case((documents.c.live, 1), else_=0))
        query = select(documents.c.source, live, func.count()).group_by(documents.c.source)
        counts = [SourceCount(name, int(there), int(all_) - int(there)) for name, there, all_ in self._all(query)]
        return sorted(counts, key=lambda count: count.source)

    def refusals(self, source: str = "", reason: str = "") -> Iterator[Refusal]:
        row = rejections.c
        newest = select(func.max(row.number)).group_by(row.document_id)
        settled = and_(documents.c.id == row.document_id, documents.c.live, documents.c.last_run > row.run)
        query = select(row.run, runs.c.started_at, row.document_id, row.source, row.uri, row.key, row.reason)
        query = query.add_columns(row.detail, row.number).outerjoin(runs, runs.c.run == row.run)
        query = query.where(row.number.in_(newest), ~select(documents.c.id).where(settled).exists())
        for column, value in ((row.source, source), (row.reason, reason)):
            query = query.where(column == value) if value else query

        def after(last: Row[Any] | None) -> Sequence[Row[Any]]:
            page = query if last is None else query.where(row.number < last.number)
            return self._all(page.order_by(row.number.desc()).limit(ROWS_PER_PAGE))

        return (Refusal(found[0], found[1] or "", *found[2:8]) for found in pages(after))

    @patient
    def look_again(self, items: Collection[tuple[str, str, str]], run: int) -> None:
        refused = sorted({identity for _, _, identity in items})
        # A record is read with its whole file: what is known of its neighbours would hide it again.
        places = sorted({(source, uri) for source, uri, _ in items})
        unknown = update(documents).where(documents.c.live).values(provenance="{}")
        with self._database.writing() as connection:
            self._fence(connection, run)
            for some in in_groups(refused):
                connection.execute(delete(rejections).where(rejections.c.document_id.in_(some)))
            for some_places in in_groups(places):
                there = tuple_(documents.c.source, documents.c.uri).in_(some_places)
                connection.execute(unknown.where(there))

    def ledger_records(self, document_id: str) -> Sequence[LedgerRecord]:
        version = index_versions.c
        query = (
            select(version.collection, version.number, ledger.c.content_hash, ledger.c.chunks, ledger.c.run)
            .join(index_versions, version.id == ledger.c.index_id)
            .where(ledger.c.document_id == storable(document_id))
            .order_by(version.collection, version.number)
        )
        return [LedgerRecord(row[0], f"v{row[1]}", *row[2:]) for row in self._all(query)]

    def users(self, user_ids: Collection[str]) -> Sequence[User]:
        query = select(users.c.first_name, users.c.last_name, users.c.id).order_by(users.c.id)
        rows = [
            row for some in in_groups(sorted(set(user_ids))) for row in self._all(query.where(users.c.id.in_(some)))
        ]
        return [User(first_name=row.first_name, last_name=row.last_name) for row in rows]

    def _paged(self, query: Select[Any], place: Any, of: Any) -> Iterator[Row[Any]]:
        def after(last: Row[Any] | None) -> Sequence[Row[Any]]:
            page = query if last is None else query.where(place > of(last))
            return self._all(page.order_by(documents.c.source, documents.c.id).limit(ROWS_PER_PAGE))

        return pages(after)

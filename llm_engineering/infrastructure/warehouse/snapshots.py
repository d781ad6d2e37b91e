"""Index versions with the content of their documents: what the ledger says, joined with the texts of that time."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, and_, func, select, tuple_

from llm_engineering.domain.documents import Place
from llm_engineering.domain.features import FeatureDocument
from llm_engineering.infrastructure.warehouse.index_versions import IndexVersions
from llm_engineering.infrastructure.warehouse.paging import IDS_PER_STATEMENT, ROWS_PER_PAGE, in_groups, pages
from llm_engineering.infrastructure.warehouse.tables import document_versions as versions
from llm_engineering.infrastructure.warehouse.tables import documents
from llm_engineering.infrastructure.warehouse.tables import indexed_documents as ledger
from llm_engineering.infrastructure.warehouse.values import from_json

_CHARACTERS_PER_PAGE = 4_000_000
_STORED = select(documents.c.uri, documents.c.key, documents.c.source, versions).join(
    versions, versions.c.document_id == documents.c.id
)
_NEWEST_FIRST = (versions.c.document_id, versions.c.version.desc())


class Snapshots(IndexVersions):
    """The documents of index versions as they were indexed, whatever became of them since."""

    def indexed_sources(self, collection: str, version: str) -> Sequence[str]:
        query = select(documents.c.source).join(ledger, ledger.c.document_id == documents.c.id).distinct()
        query = query.where(ledger.c.index_id == self._index_id(collection, version))
        # Sorted here: databases sort by locale, and not all alike.
        return sorted(row.source for row in self._all(query))

    def indexed_documents(self, collection: str, version: str, source: str) -> Iterator[FeatureDocument]:
        for page in _by_size(self._sizes(self._index_id(collection, version), source)):
            mine = [(row.document_id, row.version) for row in page]
            query = _STORED.where(tuple_(versions.c.document_id, versions.c.version).in_(mine))
            yield from map(_document, self._all(query.order_by(documents.c.id)))

    def stored_versions(self, document_ids: Collection[str]) -> Iterator[FeatureDocument]:
        for group in in_groups(sorted(set(document_ids))):
            yield from map(_document, self._together(group) or self._page_by_page(group))

    def _together(self, document_ids: Sequence[str]) -> Sequence[Row[Any]]:
        """Return all versions of some documents, or nothing if their texts together are longer than a page."""
        mine = versions.c.document_id.in_(document_ids)
        characters = select(func.sum(versions.c.characters)).where(mine).scalar_subquery()
        query = _STORED.where(mine, characters <= _CHARACTERS_PER_PAGE)
        return self._all(query.order_by(*_NEWEST_FIRST))

    def _page_by_page(self, document_ids: Sequence[str]) -> Iterator[Row[Any]]:
        columns = (versions.c.document_id, versions.c.version, versions.c.characters)
        sizes = self._all(select(*columns).where(versions.c.document_id.in_(document_ids)).order_by(*_NEWEST_FIRST))
        for page in _by_size(iter(sizes)):
            mine = [(row.document_id, row.version) for row in page]
            query = _STORED.where(tuple_(versions.c.document_id, versions.c.version).in_(mine))
            yield from self._all(query.order_by(*_NEWEST_FIRST))

    def indexed_places(self, collection: str, version: str) -> Iterator[Place]:
        query = select(documents.c.id, documents.c.uri, documents.c.key)
        query = query.join(ledger, ledger.c.document_id == documents.c.id).order_by(documents.c.id)
        query = query.where(ledger.c.index_id == self._index_id(collection, version))

        def after(last: Row[Any] | None) -> Sequence[Row[Any]]:
            page = query if last is None else query.where(ledger.c.document_id > last.id)
            return self._all(page.limit(ROWS_PER_PAGE))

        return (Place(*row) for row in pages(after))

    def uris(self, document_ids: Collection[str]) -> Mapping[str, str]:
        query = select(documents.c.id, documents.c.uri, documents.c.key)
        found: dict[str, str] = {}
        for group in in_groups(sorted(set(document_ids))):
            rows = self._all(query.where(documents.c.id.in_(group)))
            found.update((row.id, f"{row.uri}#{row.key}" if row.key else row.uri) for row in rows)
        return found

    def _sizes(self, index_id: int, source: str) -> Iterator[Row[Any]]:
        """Yield (document id, version that was indexed, characters of its text), in ascending order of id."""
        # A text that came back after a change has two versions with one content: they are equal, the last one counts.
        same = and_(versions.c.document_id == ledger.c.document_id, versions.c.content_hash == ledger.c.content_hash)
        columns = (ledger.c.document_id, func.max(versions.c.version).label("version"), versions.c.characters)
        query = select(*columns).join(versions, same).join(documents, documents.c.id == ledger.c.document_id)
        query = query.where(ledger.c.index_id == index_id, documents.c.source == source)
        query = query.group_by(ledger.c.document_id, versions.c.characters).order_by(ledger.c.document_id)

        def after(last: Row[Any] | None) -> Sequence[Row[Any]]:
            page = query if last is None else query.where(ledger.c.document_id > last.document_id)
            return self._all(page.limit(ROWS_PER_PAGE))

        return pages(after)


def _by_size(rows: Iterator[Row[Any]]) -> Iterator[list[Row[Any]]]:
    """Yield the rows in pages whose texts fit into memory, and whose ids fit into a statement, together."""
    page: list[Row[Any]] = []
    characters = 0
    for row in rows:
        if page and (characters + row.characters > _CHARACTERS_PER_PAGE or len(page) == IDS_PER_STATEMENT):
            yield page
            page, characters = [], 0
        page.append(row)
        characters += row.characters
    if page:
        yield page


def _document(row: Row[Any]) -> FeatureDocument:
    return FeatureDocument(
        id=row.document_id,
        source_name=row.source,
        uri=row.uri,
        key=row.key,
        title=row.title,
        format=row.format,
        user_id=row.user_id,
        content_hash=row.content_hash,
        run=row.version,
        text=row.text,
        metadata=from_json(row.metadata),
    )

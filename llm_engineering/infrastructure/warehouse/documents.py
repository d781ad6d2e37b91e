"""Documents: their current state, their versions, their tombstones."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, insert, select, update

from llm_engineering.domain.documents import Document, Metadata
from llm_engineering.domain.errors import BackendError, DamagedDocuments
from llm_engineering.domain.indexes import DocumentState
from llm_engineering.infrastructure.warehouse.database import Part
from llm_engineering.infrastructure.warehouse.paging import ROWS_PER_PAGE, in_groups, pages
from llm_engineering.infrastructure.warehouse.patience import patient
from llm_engineering.infrastructure.warehouse.storing import known_hashes, refresh, store, unique
from llm_engineering.infrastructure.warehouse.tables import document_versions as versions
from llm_engineering.infrastructure.warehouse.tables import documents as current
from llm_engineering.infrastructure.warehouse.tables import readings
from llm_engineering.infrastructure.warehouse.values import from_json

_CHARACTERS_PER_PAGE = 4_000_000

_current_version = and_(versions.c.document_id == current.c.id, versions.c.version == current.c.version)


class Documents(Part):
    """The documents. Texts live with the versions, so that states are read without them."""

    @patient
    def states(self, source: str) -> Mapping[str, str]:
        query = select(current.c.id, current.c.content_hash).where(current.c.source == source, current.c.live)
        with self._database.reading() as connection:
            return {row.id: row.content_hash for row in connection.execute(query)}

    @patient
    def provenance(self, document_id: str) -> Metadata | None:
        query = select(current.c.provenance).where(current.c.id == document_id, current.c.live)
        with self._database.reading() as connection:
            stored = connection.execute(query).scalar_one_or_none()
        return None if stored is None else from_json(stored)

    @patient
    def put(self, documents: Sequence[Document], run: int) -> None:
        by_id = unique((document.id, document) for document in documents)
        hashes = {document_id: document.content_hash for document_id, document in by_id.items()}
        with self._database.writing() as connection:
            self._fence(connection, run)
            known = known_hashes(connection, by_id)
            unchanged = {key for key in by_id if known.get(key) == hashes[key]}
            for source in {by_id[key].source for key in by_id if key not in known}:
                self._begin_reading(connection, source, run)
            store(self._database, connection, {key: by_id[key] for key in by_id if key not in unchanged}, hashes, run)
            refresh(connection, {key: by_id[key] for key in by_id if key in unchanged}, run)

    @patient
    def bury(self, document_ids: Collection[str], run: int, read: str = "") -> None:
        statement = update(current).where(current.c.live).values(live=False, last_run=run)
        with self._database.writing() as connection:
            self._fence(connection, run)
            for group in in_groups(sorted(set(document_ids))):
                connection.execute(statement.where(current.c.id.in_(group)))
            connection.execute(delete(readings).where(readings.c.source == read))

    @patient
    def count_before(self, source: str) -> int | None:
        with self._database.reading() as connection:
            query = select(readings.c.documents).where(readings.c.source == source)
            return connection.execute(query).scalar_one_or_none()

    @staticmethod
    def _begin_reading(connection: Connection, source: str, run: int) -> None:
        """Keep how many live documents a source has, until it was read to its end."""
        if connection.execute(select(readings.c.run).where(readings.c.source == source)).first() is None:
            live = select(func.count()).where(current.c.source == source, current.c.live)
            before = connection.execute(live).scalar_one()
            connection.execute(insert(readings).values(source=source, documents=before, run=run))

    def live(self, sources: Collection[str] | None = None) -> Iterator[DocumentState]:
        query = select(current.c.id, current.c.content_hash).where(current.c.live)
        if sources is not None:
            query = query.where(current.c.source.in_(sorted(set(sources))))

        def after(last: Row[Any] | None) -> Sequence[Row[Any]]:
            page = query if last is None else query.where(current.c.id > last.id)
            return self._all(page.order_by(current.c.id).limit(ROWS_PER_PAGE))

        return (DocumentState(row.id, row.content_hash) for row in pages(after))

    def documents(self, document_ids: Collection[str]) -> Iterator[Document]:
        query = select(current, versions).join(versions, _current_version, isouter=True).where(current.c.live)
        damaged: dict[str, str] = {}
        for group in in_groups(sorted(set(document_ids))):
            for page in self._pages_by_size(group):
                for row in self._all(query.where(current.c.id.in_(page)).order_by(current.c.id)):
                    if document := _document(row):
                        yield document
                    else:
                        damaged[row.id] = row.uri
        if damaged:
            raise DamagedDocuments(damaged, min(damaged.values()))

    @patient
    def doubt(self, document_ids: Collection[str], run: int) -> None:
        unknown = update(current).values(content_hash="", provenance="{}")
        with self._database.writing() as connection:
            self._fence(connection, run)
            for group in in_groups(sorted(set(document_ids))):
                connection.execute(unknown.where(current.c.id.in_(group)))

    def _pages_by_size(self, ids: Sequence[str]) -> Iterator[list[str]]:
        """Yield the ids of live documents in pages whose texts fit into memory together."""
        length = func.coalesce(versions.c.characters, 0).label("characters")
        query = select(current.c.id, length).join(versions, _current_version, isouter=True)
        page: list[str] = []
        characters = 0
        for row in self._all(query.where(current.c.id.in_(ids)).order_by(current.c.id)):
            if page and characters + row.characters > _CHARACTERS_PER_PAGE:
                yield page
                page, characters = [], 0
            page.append(row.id)
            characters += row.characters
        if page:
            yield page


def _document(row: Row[Any]) -> Document | None:
    """Return a document, or None if it is not what was stored."""
    if row.format is None:  # there is no such version
        return None
    try:
        document = Document(
            uri=row.uri,
            source=row.source,
            format=row.format,
            text=row.text,
            title=row.title,
            key=row.key,
            user_id=row.user_id,
            metadata=from_json(row.metadata),
            provenance=from_json(row.provenance),
        )
    except BackendError:  # no JSON
        return None
    return document if document.content_hash == row.content_hash else None

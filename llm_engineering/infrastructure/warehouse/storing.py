"""Write documents: what is new or changed as a version, what is unchanged as a refreshed state."""

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from sqlalchemy import Connection, bindparam, select, update

from llm_engineering.domain.documents import Document
from llm_engineering.infrastructure.warehouse.database import Database, execute_many
from llm_engineering.infrastructure.warehouse.paging import in_groups
from llm_engineering.infrastructure.warehouse.tables import document_versions, documents
from llm_engineering.infrastructure.warehouse.values import now, to_json

T = TypeVar("T")


def unique(pairs: Iterable[tuple[str, T]]) -> dict[str, T]:
    """Return the pairs as a mapping in ascending order of id: one order for all writers, so that none deadlock.

    Raises:
        ValueError: an id occurs twice. Which one should win nobody can say.
    """
    found: dict[str, T] = {}
    for document_id, item in pairs:
        if document_id in found:
            raise ValueError(f"document {document_id} occurs twice in one call; a source yields each document once")
        found[document_id] = item
    return dict(sorted(found.items(), key=lambda pair: pair[0]))


def known_hashes(connection: Connection, ids: Collection[str]) -> dict[str, str]:
    """Return document id → stored content hash, tombstones included."""
    query = select(documents.c.id, documents.c.content_hash)
    known: dict[str, str] = {}
    for group in in_groups(ids):
        rows = connection.execute(query.where(documents.c.id.in_(group)))
        known.update((row.id, row.content_hash) for row in rows)
    return known


def store(
    database: Database, connection: Connection, changed: Mapping[str, Document], hashes: Mapping[str, str], run: int
) -> None:
    """Write new and changed documents: their state and a version with the run's number.

    A run that stores a document twice with different contents keeps the later one: a run is one version.
    """
    states = database.insert(documents)
    kept = {"id", "source", "uri", "key", "first_run"}  # the id stands for source, uri and key
    states = states.on_conflict_do_update(
        index_elements=[documents.c.id],
        set_={column.name: states.excluded[column.name] for column in documents.c if column.name not in kept},
    )
    versions = database.insert(document_versions)
    key = {"document_id", "version"}
    versions = versions.on_conflict_do_update(
        index_elements=[document_versions.c.document_id, document_versions.c.version],
        set_={column.name: versions.excluded[column.name] for column in document_versions.c if column.name not in key},
    )
    stored_at = now()
    rows = [(document_id, document, hashes[document_id]) for document_id, document in changed.items()]
    execute_many(connection, states, [_state(*row, run) for row in rows])
    execute_many(connection, versions, [_version(*row, run, stored_at) for row in rows])


def refresh(connection: Connection, unchanged: Mapping[str, Document], run: int) -> None:
    """Bring the provenance of unchanged documents up to date, and lift their tombstones."""
    statement = (
        update(documents)
        .where(documents.c.id == bindparam("same_id"))
        .values(live=True, last_run=run, provenance=bindparam("new_provenance"))
    )
    rows = [
        {"same_id": document_id, "new_provenance": to_json(document.provenance)}
        for document_id, document in unchanged.items()
    ]
    execute_many(connection, statement, rows)


def _state(document_id: str, document: Document, content_hash: str, run: int) -> dict[str, object]:
    return {
        "id": document_id,
        "uri": document.uri,
        "key": document.key,
        "source": document.source,
        "content_hash": content_hash,
        "version": run,
        "live": True,
        "provenance": to_json(document.provenance),
        "first_run": run,
        "last_run": run,
    }


def _version(document_id: str, document: Document, content_hash: str, run: int, stored_at: str) -> dict[str, object]:
    return {
        "document_id": document_id,
        "version": run,
        "content_hash": content_hash,
        "format": document.format,
        "user_id": document.user_id,
        "title": document.title,
        "metadata": to_json(document.metadata),
        "created_at": stored_at,
        "characters": len(document.text),
        "text": document.text,
    }

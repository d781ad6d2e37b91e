"""Erasure: what must not come back, and the removal of everything that a target left in the warehouse."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from sqlalchemy import Column, ColumnElement, Connection, delete, insert, or_, select

from llm_engineering.domain.erasure import digest_of
from llm_engineering.domain.lineage import Derivative
from llm_engineering.domain.records import DocumentRecord
from llm_engineering.domain.traces import Traces
from llm_engineering.domain.users import user_named
from llm_engineering.infrastructure.warehouse.database import execute_many
from llm_engineering.infrastructure.warehouse.lineage import Records
from llm_engineering.infrastructure.warehouse.mentions import run_mentions, scrub_runs
from llm_engineering.infrastructure.warehouse.paging import in_groups
from llm_engineering.infrastructure.warehouse.patience import patient
from llm_engineering.infrastructure.warehouse.tables import (
    derivatives,
    derived_documents,
    document_versions,
    documents,
    indexed_chunks,
    indexed_documents,
    metadata,
    readings,
    rejections,
    runs,
    users,
    vectors,
)
from llm_engineering.infrastructure.warehouse.tables import forgotten as remembered
from llm_engineering.infrastructure.warehouse.values import now

_TEXTS_PER_PAGE = 50


class Erasure(Records):
    """Removal for good. Texts, names and addresses go; digests stay, so that none of it comes back."""

    def forgotten(self) -> Collection[str]:
        return frozenset(row.digest for row in self._all(select(remembered.c.digest)))

    @patient
    def remember_forgotten(self, digests: Mapping[str, str], run: int) -> None:
        at = now()
        rows = [{"digest": digest, "kind": kind, "run": run, "at": at} for digest, kind in sorted(digests.items())]
        statement = self._database.insert(remembered).on_conflict_do_nothing(index_elements=[remembered.c.digest])
        with self._database.writing() as connection:
            self._fence(connection, run)
            execute_many(connection, statement, rows)

    def texts_of(self, document_ids: Collection[str]) -> Iterator[str]:
        version = document_versions.c
        key = select(version.document_id, version.version)
        for group in in_groups(sorted(set(document_ids))):
            versions = self._all(key.where(version.document_id.in_(group)))
            for page in in_groups([tuple(row) for row in versions], _TEXTS_PER_PAGE):
                yield from (row.text for row in self._all(select(version.text).where(_these(page))))

    def with_texts(self, texts: Mapping[str, int]) -> Sequence[DocumentRecord]:
        version = document_versions.c
        query = select(version.document_id, version.version)
        ids: set[str] = set()
        for sizes in in_groups(sorted(set(texts.values()))):
            same_size = self._all(query.where(version.characters.in_(sizes)))
            for page in in_groups([tuple(row) for row in same_size], _TEXTS_PER_PAGE):
                for row in self._all(select(version.document_id, version.text).where(_these(page))):
                    if digest_of("text", row.text) in texts:
                        ids.add(row.document_id)
        return self.document_records("id", ids)

    def at_work(self, besides: int) -> Sequence[int]:
        query = select(runs.c.run).where(runs.c.status == "running", runs.c.run != besides).order_by(runs.c.run)
        return [row.run for row in self._all(query)]

    @patient
    def runs_naming(self, traces: Traces) -> Sequence[int]:
        with self._database.reading() as connection:
            return [mention.run for mention in run_mentions(connection, traces)]

    def derivatives_of(self, document_ids: Collection[str]) -> Sequence[Derivative]:
        keys = {*document_ids, *(digest_of("document", name) for name in document_ids)}
        found: dict[str, Derivative] = {}
        query = select(derivatives).join(derived_documents).distinct()
        for group in in_groups(sorted(keys)):
            for row in self._all(query.where(derived_documents.c.document_id.in_(group))):
                found[row.id] = Derivative.model_validate(dict(row._mapping))
        return sorted(found.values(), key=lambda derivative: (derivative.at, derivative.id))

    def derived_from(self, derivative_id: str) -> Sequence[str]:
        mine = derived_documents.c.derivative_id == derivative_id
        query = select(derived_documents.c.document_id).where(mine).order_by(derived_documents.c.document_id)
        return [row.document_id for row in self._all(query)]

    @patient
    def drop_derivatives(self, ids: Collection[str]) -> None:
        with self._database.writing() as connection:
            for group in in_groups(sorted(set(ids))):
                connection.execute(delete(derived_documents).where(derived_documents.c.derivative_id.in_(group)))
                connection.execute(delete(derivatives).where(derivatives.c.id.in_(group)))

    @patient
    def erase(self, traces: Traces, run: int) -> Mapping[str, int]:
        with self._database.writing() as connection:
            self._fence(connection, run)
            removed = {"rejections": _erase_rejections(connection, traces)}
            connection.execute(delete(readings).where(readings.c.source.in_(sorted(traces.sources))))
            for table in (indexed_chunks, indexed_documents, document_versions):
                removed[table.name] = _erase_rows(connection, table.c.document_id, traces.document_ids)
            removed[document_versions.name] += _erase_former_versions(connection, traces.texts)
            removed["documents"] = _erase_rows(connection, documents.c.id, traces.document_ids)
            removed["users"] = _erase_rows(connection, users.c.id, {user_named(name).id for name in traces.people})
            # A vector says something of its text; which document an old one was of, nobody knows any more.
            unused = vectors.c.text_hash.not_in(select(indexed_chunks.c.text_hash))
            removed["vectors"] = connection.execute(delete(vectors).where(unused)).rowcount
            removed["runs"] = scrub_runs(connection, traces)
            _hide_origins(connection, traces.document_ids)
        return removed

    def compact(self) -> None:
        self._database.compact([table.name for table in metadata.sorted_tables])


def _erase_rows(connection: Connection, column: Column[str], values: Collection[str]) -> int:
    removed = 0
    for group in in_groups(sorted(values)):
        removed += connection.execute(delete(column.table).where(column.in_(group))).rowcount
    return removed


def _erase_former_versions(connection: Connection, texts: Collection[str]) -> int:
    """Remove the former versions of other documents that had one of these texts (digests), and return how many."""
    if not texts:
        return 0
    version = document_versions.c
    this = documents.c.id == version.document_id
    former = (
        select(version.document_id, version.version).join(documents, this).where(documents.c.version != version.version)
    )
    same: list[tuple[str, int]] = []
    for page in in_groups([tuple(row) for row in connection.execute(former)], _TEXTS_PER_PAGE):
        rows = connection.execute(select(version.document_id, version.version, version.text).where(_these(page)))
        same += [(row.document_id, row.version) for row in rows if digest_of("text", row.text) in texts]
    for page in in_groups(same, _TEXTS_PER_PAGE):
        connection.execute(delete(document_versions).where(_these(page)))
    return len(same)


def _these(keys: Collection[tuple[str, int]]) -> ColumnElement[bool]:
    """Return the condition for these versions: document and number."""
    version = document_versions.c
    return or_(*((version.document_id == name) & (version.version == number) for name, number in keys))


def _erase_rejections(connection: Connection, traces: Traces) -> int:
    """Remove the rejections of the target, and those of others that mention it."""
    table = rejections.c
    query = select(table.number, table.document_id, table.source, table.uri, table.detail)
    named = [
        row.number
        for row in connection.execute(query)
        if row.document_id in traces.document_ids
        or row.source in traces.sources
        or traces.is_named(row.uri)
        or traces.are_in(row.detail)
    ]
    for group in in_groups(named):
        connection.execute(delete(rejections).where(table.number.in_(group)))
    return len(named)


def _hide_origins(connection: Connection, document_ids: Collection[str]) -> None:
    """Link derivatives to the digests of the documents instead of their ids."""
    table = derived_documents.c
    for group in in_groups(sorted(document_ids)):
        mine = select(table.derivative_id, table.document_id).where(table.document_id.in_(group))
        rows = connection.execute(mine).all()
        connection.execute(delete(derived_documents).where(table.document_id.in_(group)))
        hidden = [{"derivative_id": row[0], "document_id": digest_of("document", row[1])} for row in rows]
        execute_many(connection, insert(derived_documents), hidden)

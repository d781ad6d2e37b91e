"""Vectors by content: (model digest, text hash) → vector. The same text is embedded once for each model."""

from collections.abc import Collection, Mapping

from sqlalchemy import select

from llm_engineering.domain.chunks import Vector
from llm_engineering.infrastructure.warehouse.database import Part, execute_many
from llm_engineering.infrastructure.warehouse.paging import in_groups
from llm_engineering.infrastructure.warehouse.patience import patient
from llm_engineering.infrastructure.warehouse.tables import vectors as stored
from llm_engineering.infrastructure.warehouse.values import from_bytes, to_bytes


class Vectors(Part):
    """The vectors that were ever computed. They make an index rebuildable without its model."""

    @patient
    def vectors(self, model_digest: str, text_hashes: Collection[str]) -> Mapping[str, Vector]:
        query = select(stored.c.text_hash, stored.c.vector).where(stored.c.model_digest == model_digest)
        found: dict[str, Vector] = {}
        with self._database.reading() as connection:
            for group in in_groups(sorted(set(text_hashes))):
                rows = connection.execute(query.where(stored.c.text_hash.in_(group)))
                found.update((row.text_hash, from_bytes(row.vector)) for row in rows)
        return found

    def known_vectors(self, model_digest: str, text_hashes: Collection[str]) -> Collection[str]:
        query = select(stored.c.text_hash).where(stored.c.model_digest == model_digest)
        groups = in_groups(sorted(set(text_hashes)))
        return {row.text_hash for group in groups for row in self._all(query.where(stored.c.text_hash.in_(group)))}

    @patient
    def put_vectors(self, model_digest: str, vectors: Mapping[str, Vector]) -> None:
        statement = self._database.insert(stored)
        statement = statement.on_conflict_do_nothing(index_elements=[stored.c.model_digest, stored.c.text_hash])
        rows = [
            {"model_digest": model_digest, "text_hash": text_hash, "vector": to_bytes(vector)}
            for text_hash, vector in sorted(vectors.items(), key=lambda pair: pair[0])
        ]
        with self._database.writing() as connection:
            execute_many(connection, statement, rows)

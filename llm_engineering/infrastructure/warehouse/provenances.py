"""Where documents came from, for many at once: what a source asks before it reads anything again."""

from collections.abc import Collection, Mapping

from sqlalchemy import select

from llm_engineering.domain.documents import Metadata
from llm_engineering.infrastructure.warehouse.database import Part
from llm_engineering.infrastructure.warehouse.paging import in_groups
from llm_engineering.infrastructure.warehouse.patience import patient
from llm_engineering.infrastructure.warehouse.tables import documents
from llm_engineering.infrastructure.warehouse.values import from_json


class Provenances(Part):
    """The provenance of live documents."""

    @patient
    def provenances(self, document_ids: Collection[str]) -> Mapping[str, Metadata]:
        query = select(documents.c.id, documents.c.provenance).where(documents.c.live)
        found: dict[str, Metadata] = {}
        with self._database.reading() as connection:
            for group in in_groups(sorted(set(document_ids))):
                rows = connection.execute(query.where(documents.c.id.in_(group)))
                found.update((row.id, from_json(row.provenance)) for row in rows)
        return found

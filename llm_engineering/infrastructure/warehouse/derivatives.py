"""What was made from documents and lives elsewhere, and from which documents it was made."""

from collections.abc import Collection, Sequence

from sqlalchemy import delete, insert, select

from llm_engineering.domain.lineage import Derivative
from llm_engineering.infrastructure.warehouse.database import Part, execute_many
from llm_engineering.infrastructure.warehouse.patience import patient
from llm_engineering.infrastructure.warehouse.tables import derivatives, derived_documents
from llm_engineering.infrastructure.warehouse.values import now


class Derivatives(Part):
    """Exports, data sets and models, by id."""

    @patient
    def record_derivative(self, derivative: Derivative, document_ids: Collection[str]) -> None:
        rows = [{"derivative_id": derivative.id, "document_id": key} for key in sorted(set(document_ids))]
        with self._database.writing() as connection:
            self._fence(connection, derivative.run)
            connection.execute(delete(derived_documents).where(derived_documents.c.derivative_id == derivative.id))
            connection.execute(delete(derivatives).where(derivatives.c.id == derivative.id))
            connection.execute(insert(derivatives).values(derivative.model_dump() | {"at": now()}))
            execute_many(connection, insert(derived_documents), rows)

    def derivatives(self) -> Sequence[Derivative]:
        query = select(derivatives).order_by(derivatives.c.at, derivatives.c.id)
        return [Derivative.model_validate(dict(row._mapping)) for row in self._all(query)]

"""Activations: every switch of what readers see, so that it can be undone."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, insert, select

from llm_engineering.domain.indexes import Activation
from llm_engineering.infrastructure.warehouse.database import Part
from llm_engineering.infrastructure.warehouse.patience import patient
from llm_engineering.infrastructure.warehouse.tables import activations as switched
from llm_engineering.infrastructure.warehouse.values import now


class Activations(Part):
    """The activations of each collection."""

    @patient
    def record_activation(self, activation: Activation) -> None:
        row = activation.model_dump(exclude={"left"}) | {"left_version": activation.left, "at": now()}
        with self._database.writing() as connection:
            self._fence(connection, activation.run)
            if not self._is_noted(connection, row):
                connection.execute(insert(switched).values(row))

    @staticmethod
    def _is_noted(connection: Connection, row: Mapping[str, object]) -> bool:
        """Return whether the last activation is this one: nobody switches twice to what he sees already."""
        table = switched.c
        last = select(switched).where(table.collection == row["collection"]).order_by(table.number.desc()).limit(1)
        found = connection.execute(last).mappings().first()
        return found is not None and all(
            found[name] == row[name] for name in ("version", "kind", "left_version", "run")
        )

    def activations(self, collection: str) -> Sequence[Activation]:
        table = switched.c
        columns = (table.collection, table.version, table.kind, table.left_version.label("left"), table.run, table.at)
        query = select(*columns).where(table.collection == collection).order_by(table.number)
        return [Activation.model_validate(dict(row._mapping)) for row in self._all(query)]

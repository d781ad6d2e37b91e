"""Rejections: what was reached but is no document, with the reason."""

from collections.abc import Sequence

from sqlalchemy import select

from llm_engineering.domain.documents import Rejection
from llm_engineering.infrastructure.warehouse.database import Part, execute_many
from llm_engineering.infrastructure.warehouse.patience import patient
from llm_engineering.infrastructure.warehouse.tables import rejections as rejected


class Rejections(Part):
    """The rejections of each run. A repeated rejection of the same item in a run replaces the first."""

    @patient
    def reject(self, rejections: Sequence[Rejection], run: int) -> None:
        statement = self._database.insert(rejected)
        statement = statement.on_conflict_do_update(
            index_elements=[rejected.c.run, rejected.c.document_id],
            set_={name: statement.excluded[name] for name in ("reason", "detail")},
        )
        rows = [_row(rejection, run) for rejection in rejections]
        with self._database.writing() as connection:
            self._fence(connection, run)
            execute_many(connection, statement, rows)

    @patient
    def rejections(self, run: int) -> Sequence[Rejection]:
        columns = (rejected.c.uri, rejected.c.source, rejected.c.reason, rejected.c.detail, rejected.c.key)
        query = select(*columns).where(rejected.c.run == run).order_by(rejected.c.number)
        with self._database.reading() as connection:
            return [Rejection(*row) for row in connection.execute(query)]


def _row(rejection: Rejection, run: int) -> dict[str, object]:
    return {
        "run": run,
        "document_id": rejection.document_id,
        "source": rejection.source,
        "uri": rejection.uri,
        "key": rejection.key,
        "reason": rejection.reason,
        "detail": rejection.detail,
    }

"""Runs and users."""

from collections.abc import Mapping

from sqlalchemy import insert, select, update

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.users import User
from llm_engineering.infrastructure.warehouse.database import Part
from llm_engineering.infrastructure.warehouse.tables import runs, users
from llm_engineering.infrastructure.warehouse.values import from_json, now, to_json

_OUTCOMES = ("completed", "failed")


class Runs(Part):
    """The runs of the pipelines. The database gives the numbers; none is given twice."""

    def start_run(self, pipeline: str, config: Mapping[str, object]) -> int:
        row = {"pipeline": pipeline, "status": "running", "config": to_json(config), "started_at": now()}
        with self._database.writing() as connection:
            result = connection.execute(insert(runs).values(row))
        assert result.inserted_primary_key is not None  # noqa: S101 - there is one for every single insert
        return int(result.inserted_primary_key[0])

    def finish_run(self, run: int, status: str, report: Mapping[str, object]) -> None:
        if status not in _OUTCOMES:
            raise ValueError(f"a run ends as {' or '.join(_OUTCOMES)}, not as {status!r}")
        outcome = {"status": status, "report": to_json(report), "finished_at": now()}
        with self._database.writing() as connection:
            finished = connection.execute(update(runs).where(runs.c.run == run).values(outcome)).rowcount
        if not finished:
            raise self._no_such(run)

    def run_record(self, run: int) -> Mapping[str, object]:
        with self._database.reading() as connection:
            row = connection.execute(select(runs).where(runs.c.run == run)).one_or_none()
        if row is None:
            raise self._no_such(run)
        report = None if row.report is None else from_json(row.report)
        return {**row._mapping, "config": from_json(row.config), "report": report}

    def _no_such(self, run: int) -> UsageError:
        return UsageError(f"there is no run {run} in the warehouse {self._database.place}")


class Users(Part):
    """The authors."""

    def get_or_create_user(self, user: User) -> bool:
        row = {"id": user.id, "first_name": user.first_name, "last_name": user.last_name, "created_at": now()}
        # One statement decides, so that of many concurrent callers exactly one creates the row.
        statement = self._database.insert(users).values(row).on_conflict_do_nothing(index_elements=[users.c.id])
        with self._database.writing() as connection:
            return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount == 1

"""Runs: their numbers, their owners, what they have for themselves, and how they end."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.infrastructure.processes import this_process
from llm_engineering.infrastructure.warehouse.database import Part
from llm_engineering.infrastructure.warehouse.failures import Unavailable
from llm_engineering.infrastructure.warehouse.owners import died, is_abandoned, process_of
from llm_engineering.infrastructure.warehouse.patience import patient
from llm_engineering.infrastructure.warehouse.tables import holds as held
from llm_engineering.infrastructure.warehouse.tables import runs
from llm_engineering.infrastructure.warehouse.values import from_json, now, to_json

_OUTCOMES = ("completed", "failed")
_ENDS_IT = "wait until it is done, or end that process: what a dead process holds is free at once"


class Runs(Part):
    """The runs of the pipelines. The database gives the numbers; none is given twice."""

    def start_run(self, pipeline: str, config: Mapping[str, object], holds: Collection[str] = ()) -> int:
        return self._start_run(uuid4().hex, pipeline, config, holds)

    @patient
    def _start_run(self, key: str, pipeline: str, config: Mapping[str, object], holds: Collection[str]) -> int:
        """Open the run of this key, once: whoever repeats it after a lost connection gets the run that is there."""
        process = this_process()
        row: dict[str, object] = {
            "key": key,
            "pipeline": pipeline,
            "status": "running",
            "config": to_json(config),
            "started_at": now(),
        }
        row |= {"host": process.host, "process": process.number, "process_started": process.started, "beat_at": now()}
        with self._database.writing() as connection:
            begun = connection.execute(select(runs.c.run).where(runs.c.key == key)).scalar_one_or_none()
            if begun is not None:
                return int(begun)
            self._bury_the_dead(connection)
            run = connection.execute(insert(runs).values(row)).inserted_primary_key
            assert run is not None  # noqa: S101 - there is one for every single insert
            self._take(connection, int(run[0]), holds, key)
        return int(run[0])

    @patient
    def beat(self, run: int) -> None:
        process = this_process()
        alive = {"host": process.host, "process": process.number, "process_started": process.started, "beat_at": now()}
        with self._database.writing() as connection:
            self._fence(connection, run)
            connection.execute(update(runs).where(runs.c.run == run).values(alive))

    @patient
    def holder(self, holds: Collection[str]) -> str:
        with self._database.writing() as connection:
            self._bury_the_dead(connection)
            return next(self._holders(connection, holds), "")

    @patient
    def pass_over_runs(self, last: int) -> None:
        with self._database.writing() as connection:
            self._database.pass_over(connection, runs.c.run, last)

    @patient
    def finish_run(self, run: int, status: str, report: Mapping[str, object]) -> None:
        if status not in _OUTCOMES:
            raise ValueError(f"a run ends as {' or '.join(_OUTCOMES)}, not as {status!r}")
        outcome = {"status": status, "report": to_json(report), "finished_at": now()}
        with self._database.writing() as connection:
            if status == "completed":
                self._fence(connection, run)
            changed = update(runs).where(runs.c.run == run, runs.c.status != "failed").values(outcome)
            if not connection.execute(changed).rowcount and self._record(connection, run) is None:
                raise self._no_such(run)
            connection.execute(delete(held).where(held.c.run == run))

    @patient
    def run_record(self, run: int) -> Mapping[str, object]:
        with self._database.reading() as connection:
            row = self._record(connection, run)
        if row is None:
            raise self._no_such(run)
        report = None if row.report is None else from_json(row.report)
        return {**row._mapping, "config": from_json(row.config), "report": report}

    def _take(self, connection: Connection, run: int, holds: Collection[str], key: str) -> None:
        """Take the resources for the run, all or none: an exception rolls the transaction back."""
        statement = self._database.insert(held).on_conflict_do_nothing(index_elements=[held.c.resource])
        for resource in sorted(set(holds)):
            taken = connection.execute(
                statement.values(resource=resource, run=run), execution_options={"preserve_rowcount": True}
            )
            if taken.rowcount != 1:
                if self._count(connection, key) > 1:
                    raise Unavailable(f"run {run} was opened twice: the first attempt was committed after all")
                who = next(self._holders(connection, [resource]), f"{resource} is held by another run")
                raise BackendError(f"{who}; {_ENDS_IT}", transient=True)

    def _holders(self, connection: Connection, holds: Collection[str]) -> Iterator[str]:
        query = select(held.c.resource, runs).join(runs, runs.c.run == held.c.run)
        for row in connection.execute(query.where(held.c.resource.in_(sorted(set(holds)))).order_by(held.c.resource)):
            yield (
                f"{row.resource} is held by run {row.run} ({row.pipeline}), {process_of(row)}, "
                f"which started at {row.started_at} and last showed life at {row.beat_at}"
            )

    def _bury_the_dead(self, connection: Connection) -> None:
        """Close the runs whose owner is gone as failed, and free what they hold."""
        for row in connection.execute(select(runs).where(runs.c.status == "running")).all():
            if not is_abandoned(row, self._database.lease_seconds):
                continue
            # Whoever shows life in this very moment keeps his run.
            same = (runs.c.run == row.run, runs.c.status == "running", runs.c.beat_at == row.beat_at)
            outcome = {"status": "failed", "report": died(row).model_dump_json(), "finished_at": now()}
            if connection.execute(update(runs).where(*same).values(outcome)).rowcount:
                connection.execute(delete(held).where(held.c.run == row.run))

    @staticmethod
    def _count(connection: Connection, key: str) -> int:
        return connection.execute(select(func.count()).where(runs.c.key == key)).scalar_one()

    @staticmethod
    def _record(connection: Connection, run: int) -> Row[Any] | None:
        return connection.execute(select(runs).where(runs.c.run == run)).one_or_none()

    def _no_such(self, run: int) -> UsageError:
        return UsageError(f"there is no run {run} in the warehouse {self._database.place}")

"""Mentions of an erased target in the configurations and reports that runs left behind."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from llm_engineering.domain.traces import Traces, scrubbed
from llm_engineering.infrastructure.warehouse.database import execute_many
from llm_engineering.infrastructure.warehouse.paging import in_groups, pages
from llm_engineering.infrastructure.warehouse.tables import runs
from llm_engineering.infrastructure.warehouse.values import from_json, to_json

_RUNS_PER_PAGE = 200


@dataclass(frozen=True, slots=True)
class Mention:
    """A run that mentions the target, and its configuration and report as they are without it."""

    run: int
    config: str
    report: str | None


def run_mentions(connection: Connection, traces: Traces) -> Iterator[Mention]:
    """Iterate over the runs whose configuration or report mentions the target."""

    def after(last: Any) -> Any:
        query = select(runs.c.run, runs.c.config, runs.c.report).order_by(runs.c.run).limit(_RUNS_PER_PAGE)
        return connection.execute(query if last is None else query.where(runs.c.run > last.run)).all()

    for row in pages(after, _RUNS_PER_PAGE):
        if traces.are_in(row.config) or (row.report is not None and traces.are_in(row.report)):
            yield Mention(row.run, _without(row.config, traces), row.report and _without(row.report, traces))


def scrub_runs(connection: Connection, traces: Traces) -> int:
    """Remove the mentions, and return how many runs had some."""
    statement = update(runs).where(runs.c.run == bindparam("same_run"))
    statement = statement.values(config=bindparam("new_config"), report=bindparam("new_report"))
    total = 0
    for group in in_groups(run_mentions(connection, traces)):
        rows = [{"same_run": found.run, "new_config": found.config, "new_report": found.report} for found in group]
        execute_many(connection, statement, rows)
        total += len(rows)
    return total


def _without(stored: str, traces: Traces) -> str:
    return to_json(scrubbed(from_json(stored), traces))

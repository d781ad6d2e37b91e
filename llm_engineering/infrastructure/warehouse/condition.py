"""The condition of a warehouse, looked at from outside: nothing is created, migrated or closed."""

from sqlalchemy import make_url, select
from sqlalchemy.exc import ArgumentError

from llm_engineering.domain.secrets import remember
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.warehouse.database import Database
from llm_engineering.infrastructure.warehouse.owners import is_abandoned, process_of
from llm_engineering.infrastructure.warehouse.schema import HEAD, revision
from llm_engineering.infrastructure.warehouse.tables import documents, holds, runs


class Condition(Value):
    """What a warehouse is like. `revision` is empty where there is no warehouse yet.

    `dead` are runs whose process is gone, `at_work` those that live; `stray` are locks of runs that are over.
    """

    place: str
    revision: str = ""
    head: str = HEAD
    has_documents: bool = False
    dead: tuple[str, ...] = ()
    at_work: tuple[str, ...] = ()
    stray: tuple[str, ...] = ()


def condition_of(url: str, lease_seconds: float, connect_seconds: int = 2) -> Condition:
    """Look at the warehouse at a SQLAlchemy URL.

    Raises:
        UsageError: the URL is wrong, the file cannot be opened, or the server refuses user, password or database.
        BackendError: the database cannot be reached, is locked or is damaged.
    """
    database = Database(_hurried(url, connect_seconds), lease_seconds)
    try:
        database.place = make_url(url).render_as_string(hide_password=True)  # as it was given
        if not database.exists():
            return Condition(place=database.place)
        with database.reading() as connection:
            found = revision(connection) or ""
            if found != HEAD:
                return Condition(place=database.place, revision=found)
            running = connection.execute(select(runs).where(runs.c.status == "running")).all()
            over = select(holds.c.resource).join(runs, runs.c.run == holds.c.run).where(runs.c.status != "running")
            dead = [run for run in running if is_abandoned(run, lease_seconds)]
            return Condition(
                place=database.place,
                revision=found,
                has_documents=connection.execute(select(documents.c.id).limit(1)).first() is not None,
                dead=tuple(f"run {run.run} ({run.pipeline}), {process_of(run)}" for run in dead),
                at_work=tuple(f"run {run.run} ({run.pipeline})" for run in running if run not in dead),
                stray=tuple(row.resource for row in connection.execute(over)),
            )
    finally:
        database.close()


def _hurried(url: str, seconds: int) -> str:
    """Return the URL with a short time to connect, and take note of its password, so that it is never shown."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        return url  # `Database` says what is wrong with it
    if parsed.password:
        remember(str(parsed.password))
    name = "connect_timeout" if parsed.drivername.startswith("postgres") else "timeout"
    if name not in parsed.query:
        parsed = parsed.update_query_dict({name: str(seconds)})
    return parsed.render_as_string(hide_password=False)

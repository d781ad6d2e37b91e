"""Bring a database's tables to the version that this code works with."""

from pathlib import Path
from threading import Lock

from sqlalchemy import Connection, inspect, text

from llm_engineering.domain import failpoints
from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.warehouse.database import Database

# The newest migration. A test keeps it equal to the scripts', so that an up-to-date database opens without Alembic.
HEAD = "0002"
# Not Alembic's default name, so that the warehouse can share a PostgreSQL database with other programs.
VERSION_TABLE = "warehouse_version"
MIGRATIONS = Path(__file__).parent / "migrations"

_alembic = Lock()  # Alembic keeps the running migration in module globals: one thread at a time


def bring_up_to_date(database: Database) -> None:
    """Create the tables, or migrate them, in one transaction that other processes wait for.

    Raises:
        UsageError: the database is newer than this code, or holds tables of another program under our names.
    """
    with database.reading() as connection:
        if revision(connection) == HEAD:
            return
    with _alembic, database.migrating() as connection:
        found = revision(connection)
        if found == HEAD:  # another process was faster
            return
        if found is None:
            _refuse_foreign_tables(connection, database.place)
        _upgrade(connection, found, database.place)


def revision(connection: Connection) -> str | None:
    """Return the migration that the database is at, or None before the first."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a constant
    return None if found is None else str(found)


def _upgrade(connection: Connection, found: str | None, place: str) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise UsageError(
            f"the warehouse {place} is at version {found}, and this code knows versions up to {HEAD}: a newer version "
            "of llm-engineering wrote it. Update llm-engineering, or use another warehouse"
        )
    command.upgrade(config, "head")
    failpoints.reach("warehouse.in_migration")


def _refuse_foreign_tables(connection: Connection, place: str) -> None:
    from llm_engineering.infrastructure.warehouse.tables import metadata

    foreign = sorted(set(inspect(connection).get_table_names()) & set(metadata.tables))
    if foreign:
        raise UsageError(
            f"the warehouse {place} cannot be created: the database already has tables of another program named "
            f"{', '.join(foreign)}. Give the warehouse a database or a file of its own"
        )

"""Bring a database's tables to the version that this code works with."""

from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from sqlalchemy import Connection, MetaData, inspect, text

from llm_engineering.domain import failpoints
from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.warehouse.database import Database
from llm_engineering.infrastructure.warehouse.tables import metadata

# The newest migration. A test keeps it equal to the scripts', so that an up-to-date database opens without Alembic.
HEAD = "0002"
# Not Alembic's default name, so that the warehouse can share a PostgreSQL database with other programs.
VERSION_TABLE = "warehouse_version"
MIGRATIONS = Path(__file__).parent / "migrations"


@dataclass(frozen=True)
class Schema:
    """The tables of one part of this project, with the folder of their migrations; parts can share a database."""

    head: str
    version_table: str
    migrations: Path
    tables: MetaData


WAREHOUSE = Schema(HEAD, VERSION_TABLE, MIGRATIONS, metadata)

_alembic = Lock()  # Alembic keeps the running migration in module globals: one thread at a time


def bring_up_to_date(database: Database, schema: Schema = WAREHOUSE) -> None:
    """Create the tables, or migrate them, in one transaction that other processes wait for.

    Raises:
        UsageError: the database is newer than this code, or holds tables of another program under our names.
    """
    with database.reading() as connection:
        if revision(connection, schema) == schema.head:
            return
    with _alembic, database.migrating() as connection:
        found = revision(connection, schema)
        if found == schema.head:  # another process was faster
            return
        if found is None:
            _refuse_foreign_tables(connection, database, schema)
        _upgrade(connection, found, database, schema)


def revision(connection: Connection, schema: Schema = WAREHOUSE) -> str | None:
    """Return the migration that the database is at, or None before the first."""
    if not inspect(connection).has_table(schema.version_table):
        return None
    query = f"SELECT version_num FROM {schema.version_table}"  # noqa: S608 - a constant
    found = connection.execute(text(query)).scalar()
    return None if found is None else str(found)


def _upgrade(connection: Connection, found: str | None, database: Database, schema: Schema) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(schema.migrations).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["version_table"] = schema.version_table
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise UsageError(
            f"{database.what} {database.place} is at version {found}, and this code knows versions up to "
            f"{schema.head}: a newer version of llm-engineering wrote it. Update llm-engineering, or use another "
            "database"
        )
    command.upgrade(config, "head")
    failpoints.reach("warehouse.in_migration")


def _refuse_foreign_tables(connection: Connection, database: Database, schema: Schema) -> None:
    foreign = sorted(set(inspect(connection).get_table_names()) & set(schema.tables.tables))
    if foreign:
        raise UsageError(
            f"{database.what} {database.place} cannot be created: the database already has tables of another program "
            f"named {', '.join(foreign)}. Give {database.what} a database or a file of its own"
        )

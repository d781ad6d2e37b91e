"""The warehouse: documents with their versions, users, rejections, runs, index ledgers and vectors, in SQL."""

from llm_engineering.domain.ports import Warehouse


def open_warehouse(url: str, lease_seconds: float | None = None, patience_seconds: float = 0.0) -> Warehouse:
    """Open the warehouse at a SQLAlchemy URL, creating or migrating its tables first.

    `sqlite:///relative.db`, `sqlite:////absolute.db` and `postgresql://user@host/name` are valid. `sqlite://` is a
    warehouse in memory, by the same SQL: it lives until `close`.

    `lease_seconds` is how long a run's process may show no life before another one takes it for dead;
    `patience_seconds`, for how long a transaction is tried again while the database is away or locked.

    Raises:
        UsageError: the URL is wrong, the file cannot be opened, or a newer version of this project wrote the database.
        BackendError: the database cannot be reached, is locked or is damaged.
    """
    # SQLAlchemy takes half a second to import; whoever only reads a configuration does not pay for it.
    from llm_engineering.infrastructure.warehouse.database import LEASE_SECONDS, Database
    from llm_engineering.infrastructure.warehouse.patience import patiently
    from llm_engineering.infrastructure.warehouse.schema import bring_up_to_date
    from llm_engineering.infrastructure.warehouse.sql import SqlWarehouse

    database = Database(url, LEASE_SECONDS if lease_seconds is None else lease_seconds, patience_seconds)
    try:
        patiently(lambda: bring_up_to_date(database), patience_seconds)
    except BaseException:
        database.close()
        raise
    return SqlWarehouse(database)


def existing_warehouse(url: str, lease_seconds: float | None = None) -> Warehouse | None:
    """Open a warehouse that is there and up to date, or return None: nothing is created, nothing is migrated.

    Raises:
        UsageError: the URL is wrong, or the file cannot be opened.
        BackendError: the database cannot be reached, is locked or is damaged.
    """
    from llm_engineering.infrastructure.warehouse.database import LEASE_SECONDS, Database
    from llm_engineering.infrastructure.warehouse.schema import HEAD, revision
    from llm_engineering.infrastructure.warehouse.sql import SqlWarehouse

    database = Database(url, LEASE_SECONDS if lease_seconds is None else lease_seconds)
    try:
        if database.exists():
            with database.reading() as connection:
                if revision(connection) == HEAD:
                    return SqlWarehouse(database)
    except BaseException:
        database.close()
        raise
    database.close()
    return None

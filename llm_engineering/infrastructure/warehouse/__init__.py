"""The warehouse: documents with their versions, users, rejections, runs, index ledgers and vectors, in SQL."""

from llm_engineering.domain.ports import Warehouse


def open_warehouse(url: str) -> Warehouse:
    """Open the warehouse at a SQLAlchemy URL, creating or migrating its tables first.

    `sqlite:///relative.db`, `sqlite:////absolute.db` and `postgresql://user@host/name` are valid. `sqlite://` is a
    warehouse in memory, by the same SQL: it lives until `close`.

    Raises:
        UsageError: the URL is wrong, the file cannot be opened, or a newer version of this project wrote the database.
        BackendError: the database cannot be reached, is locked or is damaged.
    """
    # SQLAlchemy takes half a second to import; whoever only reads a configuration does not pay for it.
    from llm_engineering.infrastructure.warehouse.database import Database
    from llm_engineering.infrastructure.warehouse.schema import bring_up_to_date
    from llm_engineering.infrastructure.warehouse.sql import SqlWarehouse

    database = Database(url)
    try:
        bring_up_to_date(database)
    except BaseException:
        database.close()
        raise
    return SqlWarehouse(database)

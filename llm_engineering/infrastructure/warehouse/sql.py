"""The warehouse in SQL: SQLAlchemy Core on SQLite or PostgreSQL, one class for each part of the port."""

from llm_engineering.infrastructure.warehouse.database import Database
from llm_engineering.infrastructure.warehouse.documents import Documents
from llm_engineering.infrastructure.warehouse.ledgers import Ledgers
from llm_engineering.infrastructure.warehouse.rejections import Rejections
from llm_engineering.infrastructure.warehouse.runs import Runs, Users
from llm_engineering.infrastructure.warehouse.vectors import Vectors


class SqlWarehouse(Runs, Users, Documents, Rejections, Ledgers, Vectors):
    """The port `Warehouse` over one database, whose tables are up to date. Threads may share it."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)

    def close(self) -> None:
        self._database.close()

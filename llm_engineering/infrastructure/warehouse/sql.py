"""The warehouse in SQL: SQLAlchemy Core on SQLite or PostgreSQL, one class for each part of the port."""

from llm_engineering.infrastructure.warehouse.activations import Activations
from llm_engineering.infrastructure.warehouse.database import Database
from llm_engineering.infrastructure.warehouse.derivatives import Derivatives
from llm_engineering.infrastructure.warehouse.documents import Documents
from llm_engineering.infrastructure.warehouse.erasure import Erasure
from llm_engineering.infrastructure.warehouse.ledgers import Ledgers
from llm_engineering.infrastructure.warehouse.looking import Looking
from llm_engineering.infrastructure.warehouse.provenances import Provenances
from llm_engineering.infrastructure.warehouse.rates import Rates
from llm_engineering.infrastructure.warehouse.rejections import Rejections
from llm_engineering.infrastructure.warehouse.runs import Runs
from llm_engineering.infrastructure.warehouse.snapshots import Snapshots
from llm_engineering.infrastructure.warehouse.users import Users
from llm_engineering.infrastructure.warehouse.vectors import Vectors


class SqlWarehouse(
    Runs,
    Users,
    Documents,
    Provenances,
    Rejections,
    Looking,
    Ledgers,
    Activations,
    Snapshots,
    Derivatives,
    Erasure,
    Vectors,
    Rates,
):
    """The port `Warehouse` over one database, whose tables are up to date. Threads may share it."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)

    def close(self) -> None:
        self._database.close()

"""Users: the authors of documents."""

from llm_engineering.domain.users import User
from llm_engineering.infrastructure.warehouse.database import Part
from llm_engineering.infrastructure.warehouse.patience import patient
from llm_engineering.infrastructure.warehouse.tables import users
from llm_engineering.infrastructure.warehouse.values import now


class Users(Part):
    """The authors."""

    @patient
    def get_or_create_user(self, user: User) -> bool:
        row = {"id": user.id, "first_name": user.first_name, "last_name": user.last_name, "created_at": now()}
        # One statement decides, so that of many concurrent callers exactly one creates the row.
        statement = self._database.insert(users).values(row).on_conflict_do_nothing(index_elements=[users.c.id])
        with self._database.writing() as connection:
            return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount == 1

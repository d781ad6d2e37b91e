"""Dates of PostgreSQL that Python has no value for, such as `infinity`, as the database writes them."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


def read_endless_dates(connection: "Connection") -> None:
    """Read such dates of a connection by psycopg as texts; one of them would end the whole query otherwise."""
    from psycopg import DataError
    from psycopg.types.datetime import DateLoader, TimestampLoader, TimestamptzLoader

    def lenient(loader: type[Any]) -> type[Any]:
        class Lenient(loader):  # type: ignore[misc]
            def load(self, data: Any) -> Any:
                try:
                    return super().load(data)
                except DataError:
                    return bytes(data).decode()

        return Lenient

    raw: Any = connection.connection.driver_connection
    for name, loader in (("date", DateLoader), ("timestamp", TimestampLoader), ("timestamptz", TimestamptzLoader)):
        raw.adapters.register_loader(name, lenient(loader))

"""Databases: a document per row of a query, over any URL that SQLAlchemy knows."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote, unquote

from pydantic import AfterValidator, Field

from llm_engineering.domain.documents import Item
from llm_engineering.domain.errors import SourceError, UsageError
from llm_engineering.domain.secrets import redact, remember
from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.naming import SourceName, named_twice
from llm_engineering.infrastructure.sources.places import absent, local_path
from llm_engineering.infrastructure.sources.rows import Row, RowReader, RowSettings
from llm_engineering.infrastructure.sources.sql_dates import read_endless_dates
from llm_engineering.infrastructure.sources.tenancy import Tenant

if TYPE_CHECKING:
    from sqlalchemy import Connection, CursorResult, Engine
    from sqlalchemy.engine import URL

_BATCH = 500
_KNOWN = "postgresql+psycopg, mysql+pymysql, mssql+pyodbc, oracle+oracledb, sqlite"
_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_TEXTS = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
_READING = re.compile(r"(?i)\s*\(*\s*(select|with|values|table)\b")
# What to write before :// and what to install.
_DRIVERS = {
    "postgresql": ("postgresql+psycopg", "psycopg[binary]"), "postgres": ("postgresql+psycopg", "psycopg[binary]"),
    "mysql": ("mysql+pymysql", "pymysql"), "mariadb": ("mariadb+pymysql", "pymysql"),
    "mssql": ("mssql+pyodbc", "pyodbc"), "oracle": ("oracle+oracledb", "oracledb"),
    "snowflake": ("snowflake", "snowflake-sqlalchemy"), "duckdb": ("duckdb", "duckdb-engine"),
}  # fmt: skip


def _reads(query: str) -> str:
    bare = _TEXTS.sub("''", _COMMENTS.sub(" ", query)).strip().rstrip(";")
    if not _READING.match(bare) or ";" in bare:
        raise ValueError("a source only reads: give one statement that begins with SELECT, WITH, VALUES or TABLE")
    return query.strip().rstrip(";")


def _default_name(data: dict[str, Any]) -> str:
    return f"sql:{redact(data.get('url', ''))}"


class Sql(RowSettings):
    """A query: a document per row. It is read-only, runs in one transaction, and is read in batches."""

    kind: Literal["sql"] = "sql"
    url: str = Field(
        min_length=1,
        description="a URL of SQLAlchemy: postgresql+psycopg://me:${env:DB_PASSWORD}@host/base, sqlite:///file.db",
    )
    query: Annotated[str, AfterValidator(_reads)] = Field(
        description="one SELECT; with an ORDER BY the documents come in the same order each time"
    )
    timeout_seconds: float = Field(600.0, gt=0, description="for the statement, where the database can be told")
    name: SourceName = Field(
        default_factory=_default_name,
        description="what the documents are kept under; sql:URL by default: name it if there are two of one database",
    )
    tenant: Tenant = None

    def open(self, context: SourceContext) -> "SqlSource":
        """Open the source; nothing is asked yet."""
        return SqlSource(self.name, self, context)


@dataclass
class SqlSource:
    """Reads the rows in the order of the query."""

    name: str
    spec: Sql
    context: SourceContext
    kind: str = "sql"

    def read(self) -> Iterator[Item]:
        url = self._url()
        uri = _shown(url)
        reader = RowReader(self.name, uri, self.spec, self.context)
        found = False
        # The cursor is closed before its connection, also where nobody reads to the end.
        with (
            _translated(uri),
            self._connected(url) as connection,
            _translated(uri, answered=True),
            closing(self._result(connection)) as result,
        ):
            for item in reader.items(_rows(result)):
                found = True
                yield item
        if not found:
            raise SourceError("empty_source", f"the query on {uri} returns no row; what is indexed stays")

    def _url(self) -> "URL":
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            url = make_url(self.context.address(self.spec.url))
        except (ArgumentError, ValueError) as error:
            raise UsageError(
                f"{redact(self.spec.url)} is no URL of a database; write postgresql+psycopg://user@host/base, or "
                "sqlite:///file.db"
            ) from error
        if url.password:
            remember(str(url.password))
        if url.get_backend_name() == "sqlite":
            return _read_only_sqlite(url)
        return url

    @contextmanager
    def _connected(self, url: "URL") -> "Iterator[Connection]":
        from sqlalchemy import create_engine
        from sqlalchemy.exc import NoSuchModuleError
        from sqlalchemy.pool import NullPool

        name = url.get_backend_name()
        try:
            engine: Engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
        except (ModuleNotFoundError, NoSuchModuleError) as error:
            raise UsageError(f"{_shown(url)} needs a driver that is not there ({error}); {_advice(url)}") from error
        try:
            with engine.connect() as connection:
                self._only_reading(connection, name)
                if engine.driver == "psycopg":
                    read_endless_dates(connection)
                yield connection
                connection.rollback()
        finally:
            engine.dispose()

    def _only_reading(self, connection: "Connection", name: str) -> None:
        """Tell the database that nothing is to be written, and how long the statement may take."""
        milliseconds = int(self.spec.timeout_seconds * 1000)
        told = {
            "postgresql": ("SET TRANSACTION READ ONLY", f"SET LOCAL statement_timeout = {milliseconds}"),
            "mysql": ("SET TRANSACTION READ ONLY", f"SET SESSION max_execution_time = {milliseconds}"),
            "mariadb": (
                f"SET SESSION max_statement_time = {self.spec.timeout_seconds:g}",
                "START TRANSACTION READ ONLY",
            ),
            "sqlite": ("PRAGMA query_only = ON", "PRAGMA trusted_schema = OFF"),
            "oracle": ("SET TRANSACTION READ ONLY",),
        }
        for statement in told.get(name, ()):
            connection.exec_driver_sql(statement)
        if name == "sqlite":
            _limit_sqlite(connection, self.spec.timeout_seconds)

    def _result(self, connection: "Connection") -> "CursorResult[Any]":
        # As the driver takes it: a colon or a percent sign in the query is no parameter.
        options = {"stream_results": True, "yield_per": _BATCH, "no_parameters": True}
        return connection.execution_options(**options).exec_driver_sql(self.spec.query)


def _advice(url: "URL") -> str:
    name = url.get_backend_name()
    if name not in _DRIVERS:
        return f"{name} is no database that SQLAlchemy knows by itself: install its dialect, or write one of {_KNOWN}"
    scheme, package = _DRIVERS[name]
    install = f"type: pip install '{package}'"
    return install if url.drivername == scheme else f"write {scheme}://… and, if it is missing, {install}"


def _rows(result: "CursorResult[Any]") -> Iterator[Row]:
    names = list(result.keys())
    if twice := named_twice(names):
        raise SourceError("wrong_shape", f"the query returns the column {twice[0]!r} twice; rename one with AS")
    for number, values in enumerate(result, start=1):
        yield Row(number, f"row {number}", dict(zip(names, values, strict=True)))


def _read_only_sqlite(url: "URL") -> "URL":
    """Return the URL of a SQLite file that opens it without the right to write, nor to create it."""
    database = url.database or ""
    if database.startswith("file:"):
        database = unquote(database.removeprefix("file:").partition("?")[0])
    path = local_path(database)
    if not database or database == ":memory:" or not path.is_file():
        raise SourceError("missing", f"the database {absent(database or ':memory:', path)}")
    # A # or % in a path would end the address, and with it the right to read alone, or name another file.
    return url.set(database=f"file:{quote(path.as_posix())}", query={"mode": "ro", "uri": "true"})


def _limit_sqlite(connection: "Connection", seconds: float) -> None:
    from time import monotonic

    end = monotonic() + seconds
    raw: Any = connection.connection.driver_connection
    raw.set_progress_handler(lambda: int(monotonic() > end), 100_000)
    raw.text_factory = lambda content: content.decode("utf-8", "replace")


def _shown(url: "URL") -> str:
    """Return the URL as it may be stored and shown: no password, no user, and no parameters, which may hold either."""
    from sqlalchemy.engine import URL

    database = url.database or ""
    if database.startswith("file:"):
        database = unquote(database.removeprefix("file:"))
    return URL.create(url.drivername, host=url.host, port=url.port, database=database).render_as_string()


@contextmanager
def _translated(uri: str, *, answered: bool = False) -> Iterator[None]:
    """Turn the errors of databases into ours. One that has answered is not called unreachable, unless it went away."""
    from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

    try:
        yield
    except OperationalError as error:
        if error.connection_invalidated or not (answered or error.statement):
            raise SourceError("unreachable", f"{uri} does not answer: {_said(error)}") from None
        raise SourceError("sql_error", f"the query on {uri} failed: {_said(error)}") from None
    except DBAPIError as error:
        raise SourceError("sql_error", f"the query on {uri} failed: {_said(error)}") from None
    except SQLAlchemyError as error:
        raise SourceError("sql_error", f"{uri}: {_said(error)}") from None


def _said(error: Any) -> str:
    return redact(" ".join(str(getattr(error, "orig", None) or error).split())[:500])

"""Insertions that may meet a row with their key, as SQL that SQLite and PostgreSQL share.

SQLAlchemy compiles its own form of ON CONFLICT anew at each execution, which takes longer than the database does.
"""

from functools import cache

from sqlalchemy import Table, TextClause, bindparam, text


@cache
def put(table: Table) -> TextClause:
    """Return the insertion of a row that takes the place of the one with its key."""
    kept = [column.name for column in table.columns if not column.primary_key]
    return _insertion(table, "UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in kept))


@cache
def put_if_new(table: Table) -> TextClause:
    """Return the insertion of a row that changes nothing where its key is there."""
    return _insertion(table, "NOTHING")


def _insertion(table: Table, conflict: str) -> TextClause:
    names = [column.name for column in table.columns]
    key = ", ".join(column.name for column in table.primary_key)
    values = ", ".join(f":{name}" for name in names)
    # Names are those of our own tables, written in `sql_tables`; values are bound.
    statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({values}) ON CONFLICT ({key}) DO {conflict}"  # noqa: S608
    return text(statement).bindparams(*(bindparam(column.name, type_=column.type) for column in table.columns))

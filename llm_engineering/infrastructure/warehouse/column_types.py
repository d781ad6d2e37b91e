"""Types of columns that keep what they are given, on every database."""

from sqlalchemy import Dialect, String, Text, TypeDecorator

from llm_engineering.infrastructure.warehouse.exact_text import original, storable

# Ids and hashes: ASCII, ordered by code point on every database, whatever its locale.
Identifier = Text().with_variant(Text(collation="C"), "postgresql")

# Times are UTC in ISO 8601 with offset, such as 2026-01-31T12:00:00.000000+00:00: sortable, and the same everywhere.
Time = String(32)


class ExactText(TypeDecorator[str]):
    """Any Python string, given back unchanged."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else storable(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else original(value)


# JSON as ASCII text: unlike the databases' JSON types it keeps NaN, NUL and lone surrogates.
Json = Text

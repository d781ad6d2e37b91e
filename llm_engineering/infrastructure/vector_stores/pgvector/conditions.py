"""Conditions in the SQL of PostgreSQL, on the columns of a version's table (alias `r`).

Values are compared as JSON does: 3 equals 3.0 and not "3". Three fields have columns of their own with an index each.
"""

import json
from collections.abc import Callable
from typing import Any

from llm_engineering.domain.conditions import Eq, In, Range
from llm_engineering.domain.value import Scalar
from llm_engineering.infrastructure.vector_stores.conditions.expressible import Leaf
from llm_engineering.infrastructure.vector_stores.conditions.pairs import meant
from llm_engineering.infrastructure.vector_stores.conditions.sql import Dialect, Sql
from llm_engineering.infrastructure.vector_stores.versioned.generations import FROM, ID, UNTIL
from llm_engineering.infrastructure.vector_stores.versioned.payloads import LONG, exact_number

COLUMNS = ("document_id", "source", "uri")
NUMBERS = {FROM: "r.first", UNTIL: "r.until"}


def can_say(leaf: Leaf) -> bool:
    """Return whether PostgreSQL compares this as we do: it takes no zero character, and knows no halves of pairs."""
    values = leaf.values if isinstance(leaf, In) else (leaf.value,) if isinstance(leaf, Eq) else ()
    return leaf.field not in LONG and all(is_storable(text) for text in (leaf.field, *values))


def is_storable(value: Scalar) -> bool:
    """Return whether a value can be a part of a jsonb."""
    if not isinstance(value, str):
        return True
    return "\x00" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _equal(leaf: Eq | In) -> Sql:
    field, wanted = leaf.field, meant(leaf)
    if field == ID:
        return "r.id = ANY(%s)", [[str(value) for value in wanted]]
    said: list[str] = []
    values: list[Any] = []
    if field in COLUMNS:
        texts = [value for value in wanted if isinstance(value, str)]
        wanted = [value for value in wanted if not isinstance(value, str)]
        if texts:
            said.append(f"(r.{field} IS NOT NULL AND r.{field} = ANY(%s))")
            values.append(texts)
    for value in dict.fromkeys(json.dumps({field: exact_number(value)}) for value in wanted):
        said.append("r.fields @> %s::jsonb")
        values.append(value)
    return " OR ".join(said) or "false", values


def _range(bounds: Range) -> Sql:
    number: Callable[[float], Any] = int if bounds.field in NUMBERS else lambda bound: str(exact_number(bound))
    given = [(sign, number(bound)) for sign, bound in bounds.limits]
    if column := NUMBERS.get(bounds.field):
        return " AND ".join(f"{column} {sign} %s" for sign, _ in given), [bound for _, bound in given]
    inside = " AND ".join(f"(r.fields->>%s::text)::numeric {sign} %s::numeric" for sign, _ in given)
    text = f"CASE WHEN jsonb_typeof(r.fields->%s::text) = 'number' THEN {inside} ELSE false END"
    return text, [bounds.field, *(part for _, bound in given for part in (bounds.field, bound))]


DIALECT = Dialect("true", "false", can_say, _equal, _range)

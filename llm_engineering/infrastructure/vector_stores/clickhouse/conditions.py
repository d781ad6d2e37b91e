"""Conditions in the SQL of ClickHouse, on the columns of a version's table. All texts in it are ASCII."""

import json
from collections.abc import Iterable, Mapping

from llm_engineering.domain.conditions import Eq, In, Range
from llm_engineering.domain.value import Scalar
from llm_engineering.infrastructure.vector_stores.conditions.expressible import Leaf
from llm_engineering.infrastructure.vector_stores.conditions.pairs import meant, sought, spelled
from llm_engineering.infrastructure.vector_stores.conditions.payload_paths import LARGEST_EXACT
from llm_engineering.infrastructure.vector_stores.conditions.sql import Dialect, Sql
from llm_engineering.infrastructure.vector_stores.versioned.generations import FROM, ID, UNTIL
from llm_engineering.infrastructure.vector_stores.versioned.payloads import LONG

COUNTS = {FROM: "first", UNTIL: "until"}
DOCUMENT = "document_id"


def can_say(leaf: Leaf) -> bool:
    """Return whether ClickHouse decides this as we do: numbers are fractions of 64 bits there."""
    if leaf.field in LONG:
        return False
    if isinstance(leaf, Range) and leaf.field not in COUNTS:
        return all(abs(bound) < LARGEST_EXACT for _, bound in leaf.limits)
    return True


def quoted(text: str) -> str:
    r"""Return a text as a literal.

    >>> print(quoted("it's \\"))
    'it\'s \\'
    """
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def listed(texts: Iterable[str]) -> str:
    """Return literals, with commas between."""
    return ", ".join(map(quoted, texts))


def numbers(fields: Mapping[str, Scalar]) -> dict[str, float]:
    """Return what ranges compare; what is beyond the largest fraction counts as infinite."""
    return {json.dumps(name): _fraction(value) for name, value in fields.items() if not isinstance(value, str | bool)}


def _fraction(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _equal(leaf: Eq | In) -> Sql:
    values = meant(leaf)
    if not values:
        return "0", []
    if leaf.field == ID:
        return f"id IN ({listed(json.dumps(str(value))[1:-1] for value in values)})", []
    if leaf.field == DOCUMENT:
        return f"document IN ({listed(map(spelled, values))})", []
    return f"hasAny(pairs, [{listed(sought(leaf))}])", []


def _range(leaf: Range) -> Sql:
    if column := COUNTS.get(leaf.field):
        return " AND ".join(f"{column} {sign} {int(bound)}" for sign, bound in leaf.limits), []
    name = quoted(json.dumps(leaf.field))
    inside = " AND ".join(f"numbers[{name}] {sign} {float(bound)!r}" for sign, bound in leaf.limits)
    return f"mapContains(numbers, {name}) AND {inside}", []


DIALECT = Dialect("1", "0", can_say, _equal, _range)

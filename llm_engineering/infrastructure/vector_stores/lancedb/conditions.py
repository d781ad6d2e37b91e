"""Conditions in LanceDB's SQL, on the columns of a version's table. Ranges of payload fields are decided by us."""

from collections.abc import Iterable

from llm_engineering.domain.conditions import Eq, In, Range
from llm_engineering.infrastructure.vector_stores.conditions.expressible import Leaf
from llm_engineering.infrastructure.vector_stores.conditions.pairs import meant, sought, spelled
from llm_engineering.infrastructure.vector_stores.conditions.sql import Dialect, Sql
from llm_engineering.infrastructure.vector_stores.versioned.generations import FROM, ID, UNTIL
from llm_engineering.infrastructure.vector_stores.versioned.payloads import LONG

NUMBERS = {FROM: "first", UNTIL: "until"}
DOCUMENT = "document_id"


def can_say(leaf: Leaf) -> bool:
    """Return whether LanceDB decides this."""
    return leaf.field in NUMBERS if isinstance(leaf, Range) else leaf.field not in LONG


def quoted(texts: Iterable[str]) -> str:
    """Return texts as a list of SQL literals.

    >>> quoted(["a", "it's"])
    "'a', 'it''s'"
    """
    return ", ".join("'" + text.replace("'", "''") + "'" for text in texts)


def _equal(leaf: Eq | In) -> Sql:
    values = meant(leaf)
    if not values:
        return "false", []
    if leaf.field == ID:
        return f"id IN ({quoted(str(value) for value in values)})", []
    if leaf.field == DOCUMENT:
        return f"document IN ({quoted(spelled(value) for value in values)})", []
    return f"array_has_any(pairs, make_array({quoted(sought(leaf))}))", []


def _range(leaf: Range) -> Sql:
    column = NUMBERS[leaf.field]
    return " AND ".join(f"{column} {sign} {int(bound)}" for sign, bound in leaf.limits), []


DIALECT = Dialect("true", "false", can_say, _equal, _range)

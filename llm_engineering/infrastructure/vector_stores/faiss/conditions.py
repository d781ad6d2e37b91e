"""Conditions in the SQL of SQLite, on the rows (alias `r`) and labels of a table that FAISS searches."""

from llm_engineering.domain.conditions import Eq, In, Range
from llm_engineering.domain.value import Scalar
from llm_engineering.infrastructure.vector_stores.conditions.expressible import Leaf
from llm_engineering.infrastructure.vector_stores.conditions.pairs import meant
from llm_engineering.infrastructure.vector_stores.conditions.sql import Dialect, Sql
from llm_engineering.infrastructure.vector_stores.versioned.generations import FROM, ID, UNTIL
from llm_engineering.infrastructure.vector_stores.versioned.payloads import LONG

NUMBERS = {FROM: "r.first", UNTIL: "r.until"}
# SQLite's integers end here; larger ones are kept as fractions, and so are not exact.
LARGEST = 2**63 - 1
TRUTH = {True: b"true", False: b"false"}


def label(value: Scalar) -> str | float | bytes:
    """Return a value as SQLite keeps it.

    >>> label(True), label(3.0), label(10**30), label("3")
    (b'true', 3, 1e+30, '3')
    """
    if isinstance(value, bool):
        return TRUTH[value]
    if isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST:
        value = int(value)
    if isinstance(value, int) and abs(value) > LARGEST:
        try:
            return float(value)
        except OverflowError:
            return float("inf") if value > 0 else float("-inf")
    return value


def can_say(leaf: Leaf) -> bool:
    """Return whether SQLite compares this as we do: numbers beyond 64 bits it rounds."""
    if leaf.field in LONG:
        return False
    if isinstance(leaf, Range):
        return all(abs(bound) <= LARGEST for _, bound in leaf.limits)
    return all(isinstance(value, str) or abs(value) <= LARGEST for value in meant(leaf))


def _equal(leaf: Eq | In) -> Sql:
    found = [label(meaning) for meaning in meant(leaf)]
    # No payload holds half of a surrogate pair, and SQLite takes none.
    wanted = [value for value in found if not isinstance(value, str) or value.isascii() or is_text(value)]
    if not wanted or not is_text(leaf.field):
        return "0", []
    places = ", ".join("?" * len(wanted))
    if leaf.field == ID:
        return f"r.id IN ({places})", wanted
    return f"r.n IN (SELECT n FROM labels WHERE name = ? AND value IN ({places}))", [leaf.field, *wanted]


def _range(bounds: Range) -> Sql:
    numbers = [bound for _, bound in bounds.limits]
    if column := NUMBERS.get(bounds.field):
        return " AND ".join(f"{column} {sign} ?" for sign, _ in bounds.limits), numbers
    if not is_text(bounds.field):
        return "0", []
    inside = " AND ".join(f"value {sign} ?" for sign, _ in bounds.limits)
    text = "r.n IN (SELECT n FROM labels WHERE name = ? AND typeof(value) IN ('integer', 'real') AND "
    return f"{text}{inside})", [bounds.field, *numbers]


def is_text(text: str) -> bool:
    """Return whether a text can be stored: it holds no half of a surrogate pair."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


DIALECT = Dialect("1", "0", can_say, _equal, _range)

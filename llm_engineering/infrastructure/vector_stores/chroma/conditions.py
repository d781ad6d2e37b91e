"""Conditions in Chroma's filters, on the metadata of a version's rows.

Chroma has no "not" of groups. Its `$ne`, `$nin` and `$not_contains` also let rows through that lack the key, its
comparisons do not, and they tell integers from fractions; so numbers of payloads are kept as fractions.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from llm_engineering.domain.conditions import And, Condition, Eq, In, Not, Or, Range
from llm_engineering.domain.value import Scalar
from llm_engineering.infrastructure.vector_stores.conditions.bounds import named_bounds
from llm_engineering.infrastructure.vector_stores.conditions.expressible import (
    Leaf,
    is_expressible,
    weakened,
    without_negation,
)
from llm_engineering.infrastructure.vector_stores.conditions.pairs import meant, sought, spelled
from llm_engineering.infrastructure.vector_stores.conditions.payload_paths import LARGEST_EXACT
from llm_engineering.infrastructure.vector_stores.versioned.generations import FROM, ID, UNTIL
from llm_engineering.infrastructure.vector_stores.versioned.payloads import LONG

Where = dict[str, Any]

COUNTS = {FROM: "first", UNTIL: "until"}
DOCUMENT = "document_id"
# Each is a clause of its own, and SQLite nests them.
MOST_PAIRS = 64
NOTHING: Where = {"pairs": {"$contains": "no pair is this"}}
OURS: Where = {"ours": {"$ne": True}}
OPPOSITE = {"$gt": "$lte", "$gte": "$lt", "$lt": "$gte", "$lte": "$gt"}


def can_say(leaf: Leaf) -> bool:
    """Return whether Chroma decides this as we do: it compares numbers as fractions of 64 bits."""
    if leaf.field in LONG:
        return False
    if isinstance(leaf, Range):
        return leaf.field in COUNTS or all(abs(bound) < LARGEST_EXACT for _, bound in leaf.limits)
    return leaf.field in (ID, DOCUMENT) or len(sought(leaf)) <= MOST_PAIRS


def expresses(condition: Condition) -> bool:
    """Return whether `where` decides a condition exactly."""
    return is_expressible(condition, can_say)


def where(condition: Condition) -> Where | None:
    """Return a condition as a filter, None if everything fulfils it; a weaker one where it cannot be said."""
    return _where(without_negation(weakened(condition, can_say)))


def numbers(fields: Mapping[str, Scalar]) -> dict[str, float]:
    """Return the metadata that ranges compare; what is beyond the largest fraction counts as that."""
    most = sys.float_info.max
    held = {name: value for name, value in fields.items() if not isinstance(value, str | bool)}
    return {_number(name): float(max(-most, min(value, most))) for name, value in held.items()}


def number_marks(fields: Mapping[str, Scalar]) -> list[str]:
    """Return what says, among the pairs, which fields hold numbers."""
    return [_mark(name) for name, value in fields.items() if not isinstance(value, str | bool)]


def _where(condition: Condition) -> Where | None:
    match condition:
        case And(conditions=parts):
            return _all([_where(part) for part in parts])
        case Or(conditions=parts):
            return _any([_where(part) for part in parts])
        case Not(condition=Range() as denied):
            return _outside(denied)
        case Not(condition=Eq() | In() as denied):
            return _unequal(denied)
        case Not():
            raise AssertionError(condition)  # `without_negation` leaves negated leaves only
        case Range():
            return _within(condition)
    return _equal(condition)


def _all(parts: Sequence[Where | None]) -> Where | None:
    told = [part for part in parts if part is not None]
    return {"$and": told} if len(told) > 1 else told[0] if told else None


def _any(parts: Sequence[Where | None]) -> Where | None:
    told = [part for part in parts if part is not None]
    if len(told) < len(parts):
        return None
    return {"$or": told} if len(told) > 1 else told[0] if told else NOTHING


def _equal(leaf: Eq | In) -> Where | None:
    if (column := _column(leaf)) is not None:
        return {column[0]: {"$in": column[1]}} if column[1] else NOTHING
    return _any([{"pairs": {"$contains": each}} for each in sought(leaf)])


def _unequal(leaf: Eq | In) -> Where | None:
    if (column := _column(leaf)) is not None:
        return {column[0]: {"$nin": column[1]}} if column[1] else None
    return _all([{"pairs": {"$not_contains": each}} for each in sought(leaf)])


def _column(leaf: Eq | In) -> tuple[str, list[str]] | None:
    if leaf.field == ID:
        return "id", [str(value) for value in meant(leaf)]
    if leaf.field == DOCUMENT:
        return "document", [spelled(value) for value in meant(leaf)]
    return None


def _bounds(leaf: Range) -> list[tuple[str, float]]:
    kind = int if leaf.field in COUNTS else float
    return [(sign, kind(bound)) for sign, bound in named_bounds(leaf, "$").items()]


def _within(leaf: Range) -> Where | None:
    name = COUNTS.get(leaf.field) or _number(leaf.field)
    return _all([{name: {sign: bound}} for sign, bound in _bounds(leaf)])


def _outside(leaf: Range) -> Where | None:
    """Return the opposite of a range: a number beyond one of the bounds, or no number."""
    name = COUNTS.get(leaf.field) or _number(leaf.field)
    none = OURS if leaf.field in COUNTS else {"pairs": {"$not_contains": _mark(leaf.field)}}
    return _any([none, *({name: {OPPOSITE[sign]: bound}} for sign, bound in _bounds(leaf))])


def _number(field: str) -> str:
    return f"number {json.dumps(field)}"


def _mark(field: str) -> str:
    return json.dumps([field])

"""Conditions in the filter language of Pinecone.

Equality is one of the row's tokens (`conditions/field_tokens.py`). There is no "not" of a list, and a range needs a
field of its own, so both are left to the layer above.
"""

from typing import Any

from llm_engineering.domain.conditions import EVERYTHING, And, Condition, Eq, In, Not, Or, Range
from llm_engineering.domain.value import Scalar
from llm_engineering.infrastructure.vector_stores.conditions.bounds import named_bounds
from llm_engineering.infrastructure.vector_stores.conditions.expressible import (
    Leaf,
    is_expressible,
    weakened,
    without_negation,
)
from llm_engineering.infrastructure.vector_stores.conditions.field_tokens import token, wanted_tokens
from llm_engineering.infrastructure.vector_stores.conditions.shallow import depth, shallow
from llm_engineering.infrastructure.vector_stores.versioned.generations import FROM, ID, UNTIL
from llm_engineering.infrastructure.vector_stores.versioned.payloads import LONG

NUMBERS = {FROM: "first", UNTIL: "until"}
MOST_VALUES = 5_000
DEEPEST = 8
# There is no empty filter; each row of ours fulfils this one.
EVERY: dict[str, Any] = {"first": {"$gte": 0}}
FOREIGN_ROWS: dict[str, Any] = {"first": {"$exists": False}}

Filter = dict[str, Any] | bool


def can_say(leaf: Leaf) -> bool:
    """Return whether Pinecone decides this as we do."""
    if isinstance(leaf, Range):
        return leaf.field in NUMBERS
    return leaf.field not in LONG and (isinstance(leaf, Eq) or leaf.field == ID or len(leaf.values) <= MOST_VALUES)


def expresses(condition: Condition) -> bool:
    """Return whether `filter_of` decides a condition exactly."""
    return depth(condition) <= DEEPEST and not _denies(condition) and is_expressible(condition, can_say)


def filter_of(condition: Condition) -> dict[str, Any] | None:
    """Return a condition as a filter, a weaker one where it cannot be said; None if no row fulfils it."""
    said = _filter(without_negation(weakened(shallow(condition, DEEPEST), can_say)))
    return EVERY if said is True else said or None


def tokens_of_id(known: str) -> str:
    """Return the token of a point's id."""
    return token(ID, known)


def _denies(condition: Condition) -> bool:
    if isinstance(condition, And | Or):
        return any(map(_denies, condition.conditions))
    return isinstance(condition, Not)


def _filter(condition: Condition) -> Filter:
    match condition:
        case And(conditions=parts):
            found = [_filter(part) for part in parts]
            some = [part for part in found if isinstance(part, dict)]
            return False if False in found else {"$and": some} if some else True
        case Or(conditions=parts):
            found = [_filter(part) for part in parts]
            some = [part for part in found if isinstance(part, dict)]
            return True if True in found else {"$or": some} if some else False
        case Not():
            return _filter(EVERYTHING)
        case Eq(field=field, value=value):
            return _equal(field, (value,))
        case In(field=field, values=wanted):
            return _equal(field, wanted)
    return _range(condition)


def _equal(field: str, values: tuple[Scalar, ...]) -> Filter:
    tokens = [tokens_of_id(str(value)) for value in values] if field == ID else wanted_tokens(field, values)
    return {"tokens": {"$in": tokens}} if tokens else False


def _range(bounds: Range) -> Filter:
    name = NUMBERS[bounds.field]
    return {"$and": [{name: {sign: int(bound)}} for sign, bound in named_bounds(bounds, "$").items()]}

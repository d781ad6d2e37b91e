"""Conditions in the query language of Redis (dialect 2).

Equality is a tag of field and value (`conditions/field_tokens.py`), so nothing of a user's text is part of a query.
Ranges of fields other than ours are left to the layer above: Redis has to know each numeric field before there are
values.
"""

from collections.abc import Iterable

from llm_engineering.domain.conditions import And, Condition, Eq, In, Not, Or, Range
from llm_engineering.domain.value import Scalar
from llm_engineering.infrastructure.vector_stores.conditions.expressible import (
    Leaf,
    is_expressible,
    weakened,
    without_negation,
)
from llm_engineering.infrastructure.vector_stores.conditions.field_tokens import token, wanted_tokens
from llm_engineering.infrastructure.vector_stores.conditions.shallow import depth, shallow
from llm_engineering.infrastructure.vector_stores.versioned.engine import Row
from llm_engineering.infrastructure.vector_stores.versioned.generations import FROM, ID, UNTIL
from llm_engineering.infrastructure.vector_stores.versioned.payloads import LONG

NUMBERS = {FROM: "first", UNTIL: "until"}
INTERVALS = {">": "[({:.0f} +inf]", ">=": "[{:.0f} +inf]", "<": "[-inf ({:.0f}]", "<=": "[-inf {:.0f}]"}
MOST_VALUES = 1_000
DEEPEST = 20
EVERY = "*"
SPARSE = "_sparse"

# A query, or what every row (True) or none (False) fulfils: there is no word for these inside another query.
Query = str | bool


def can_say(leaf: Leaf) -> bool:
    """Return whether Redis decides this as we do."""
    if isinstance(leaf, Range):
        return leaf.field in NUMBERS
    return leaf.field not in LONG and (isinstance(leaf, Eq) or leaf.field == ID or len(leaf.values) <= MOST_VALUES)


def expresses(condition: Condition) -> bool:
    """Return whether `query_of` decides a condition exactly."""
    return depth(condition) <= DEEPEST and is_expressible(condition, can_say)


def query_of(condition: Condition) -> Query:
    """Return a condition as a query; a weaker one where it cannot be said."""
    return _query(without_negation(weakened(shallow(condition, DEEPEST), can_say)))


def both(left: Query, right: Query) -> Query:
    """Return the query that rows fulfil which fulfil these two."""
    return _joined((left, right))


def with_terms(terms: Iterable[int]) -> Query:
    """Return the query for rows that hold one of these terms."""
    return f"@terms:{{{'|'.join(map(tag_of_term, terms))}}}"


def with_sparse() -> Query:
    """Return the query for rows that have a sparse vector."""
    return f"@tokens:{{{tag(token(SPARSE, True))}}}"


def tags_of(row: Row) -> str:
    """Return the tags of a row's fields."""
    tokens = [*(token(name, value) for name, value in row.fields.items()), token(ID, row.id)]
    return ",".join(map(tag, [*tokens, token(SPARSE, True)] if row.sparse.indices else tokens))


def tag(text: str) -> str:
    """Return a token that Redis reads as one word; one that begins with digits could be taken for a number."""
    return f"t{text}"


def tag_of_term(term: int) -> str:
    """Return the tag of a term of a sparse vector."""
    return f"t{term}"


def _query(condition: Condition) -> Query:
    match condition:
        case And(conditions=parts):
            return _joined(map(_query, parts))
        case Or(conditions=parts):
            found = [_query(part) for part in parts]
            some = [part for part in found if isinstance(part, str)]
            return True if True in found else f"({'|'.join(f'({part})' for part in some)})" if some else False
        case Not(condition=denied):
            inner = _query(denied)
            return f"-{inner}" if isinstance(inner, str) else not inner
        case Eq(field=field, value=value):
            return _equal(field, (value,))
        case In(field=field, values=wanted):
            return _equal(field, wanted)
    return _range(condition)


def _joined(parts: Iterable[Query]) -> Query:
    found = list(parts)
    some = [part for part in found if isinstance(part, str)]
    return False if False in found else f"({' '.join(some)})" if some else True


def _equal(field: str, values: tuple[Scalar, ...]) -> Query:
    tokens = [token(ID, str(value)) for value in values] if field == ID else wanted_tokens(field, values)
    return f"@tokens:{{{'|'.join(map(tag, tokens))}}}" if tokens else False


def _range(bounds: Range) -> Query:
    name = NUMBERS[bounds.field]
    return f"({' '.join(f'@{name}:{INTERVALS[sign].format(bound)}' for sign, bound in bounds.limits)})"

"""Conditions in the query language that Elasticsearch and OpenSearch share.

Equality is a token of field and value (`conditions/field_tokens.py`), a range looks at nested pairs of field and
number. Numbers are kept as 64-bit floating-point numbers, so a bound from 2**53 on, where neighbours melt, is left to
the layer above.
"""

from typing import Any

from llm_engineering.domain.conditions import And, Condition, Eq, In, Not, Or, Range
from llm_engineering.infrastructure.vector_stores.conditions.bounds import named_bounds
from llm_engineering.infrastructure.vector_stores.conditions.expressible import Leaf, is_expressible, weakened
from llm_engineering.infrastructure.vector_stores.conditions.field_tokens import token, wanted_tokens
from llm_engineering.infrastructure.vector_stores.conditions.payload_paths import LARGEST_EXACT
from llm_engineering.infrastructure.vector_stores.conditions.shallow import depth, shallow
from llm_engineering.infrastructure.vector_stores.versioned.generations import FROM, ID, UNTIL
from llm_engineering.infrastructure.vector_stores.versioned.payloads import LONG

Query = dict[str, Any]

ALL: Query = {"match_all": {}}
NONE: Query = {"match_none": {}}
NUMBERS = {FROM: "first", UNTIL: "until"}
# A server takes 65,536 terms in one list, and, by default, 20 queries inside each other; each level here is one.
MOST_VALUES = 10_000
DEEPEST = 12


def can_say(leaf: Leaf) -> bool:
    """Return whether the server decides this as we do."""
    if isinstance(leaf, Range):
        return leaf.field not in LONG and all(abs(bound) < LARGEST_EXACT for _, bound in leaf.limits)
    return leaf.field not in LONG and (isinstance(leaf, Eq) or len(leaf.values) <= MOST_VALUES)


def expresses(condition: Condition) -> bool:
    """Return whether `query_of` decides a condition exactly."""
    return depth(condition) <= DEEPEST and is_expressible(condition, can_say)


def query_of(condition: Condition) -> Query:
    """Return a condition as a query; a weaker one where it cannot be said."""
    return _query(weakened(shallow(condition, DEEPEST), can_say))


def _query(condition: Condition) -> Query:
    match condition:
        case And(conditions=parts):
            return {"bool": {"filter": [_query(part) for part in parts]}} if parts else ALL
        case Or(conditions=parts):
            return {"bool": {"should": [_query(part) for part in parts], "minimum_should_match": 1}} if parts else NONE
        case Not(condition=denied):
            return {"bool": {"must_not": [_query(denied)]}}
        case Eq(field=field, value=value):
            return _equal(field, (value,))
        case In(field=field, values=wanted):
            return _equal(field, wanted)
    return _range(condition)


def _equal(field: str, values: tuple[Any, ...]) -> Query:
    name, wanted = ("id", list(map(str, values))) if field == ID else ("tokens", wanted_tokens(field, values))
    return {"terms": {name: wanted}} if wanted else NONE


def _range(bounds: Range) -> Query:
    limits = named_bounds(bounds)
    if name := NUMBERS.get(bounds.field):
        return {"range": {name: {sign: int(bound) for sign, bound in limits.items()}}}
    named = {"term": {"numbers.field": token(bounds.field, "")}}
    inside = {"bool": {"filter": [named, {"range": {"numbers.value": limits}}]}}
    return {"nested": {"path": "numbers", "query": inside}}

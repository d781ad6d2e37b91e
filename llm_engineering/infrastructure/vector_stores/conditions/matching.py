"""What a filter means, for every store alike.

A key is a payload field; `metadata.<key>` reaches into the metadata, and everything after the first dot is the key as
written, dots included. Values are compared by type: text with text, truth values with truth values, numbers with
numbers (3 equals 3.0). A command line knows only text, so a text also matches the number or truth value that it
spells: "3" finds both "3" and 3.
"""

import re
import sys
from collections.abc import Iterable, Mapping

from llm_engineering.domain.conditions import And, Condition, Eq, Filter, In, Not, Or, Range, condition_of
from llm_engineering.domain.value import Scalar

METADATA = "metadata."
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
LARGEST_FLOAT = sys.float_info.max
TRUTH = {"true": True, "false": False}


def matches(payload: Mapping[str, object], filter: Filter | None) -> bool:
    """Return whether the payload fulfils the filter."""
    return fulfils(payload, condition_of(filter))


def fulfils(payload: Mapping[str, object], condition: Condition) -> bool:
    """Return whether the payload fulfils the condition."""
    match condition:
        case Eq(field=field, value=value):
            return equals_one_of(field_value(payload, field), (value,))
        case In(field=field, values=values):
            return equals_one_of(field_value(payload, field), values)
        case Range():
            return within(field_value(payload, condition.field), condition)
        case And(conditions=conditions):
            return all(fulfils(payload, part) for part in conditions)
        case Or(conditions=conditions):
            return any(fulfils(payload, part) for part in conditions)
        case Not(condition=denied):
            return not fulfils(payload, denied)


def equals_one_of(stored: object, values: Iterable[Scalar]) -> bool:
    """Return whether a stored value equals one of these, or what one of them spells."""
    return any(same(stored, meant) for value in values for meant in meanings(value))


def within(stored: object, bounds: Range) -> bool:
    """Return whether a stored value is a number within the bounds."""
    if isinstance(stored, bool) or not isinstance(stored, int | float):
        return False
    return (
        (bounds.gt is None or stored > bounds.gt)
        and (bounds.gte is None or stored >= bounds.gte)
        and (bounds.lt is None or stored < bounds.lt)
        and (bounds.lte is None or stored <= bounds.lte)
    )


def meanings(value: Scalar) -> tuple[Scalar, ...]:
    """Return the values that a filter value stands for: itself, and what a text spells.

    >>> meanings("3"), meanings("true"), meanings("v3"), meanings(3)
    (('3', 3), ('true', True), ('v3',), (3,))

    What is no number a payload could hold, such as NaN or 10 ** 400, means nothing: no field equals it.
    """
    if not isinstance(value, str):
        return (value,) if isinstance(value, bool) or abs(value) <= LARGEST_FLOAT else ()
    if value.lower() in TRUTH:
        return (value, TRUTH[value.lower()])
    if NUMBER.fullmatch(value) and len(value) < 300:  # a longer one would overflow to infinity
        return (value, float(value) if "." in value else int(value))
    return (value,)


def field_value(payload: Mapping[str, object], name: str) -> object:
    """Return the value of a payload field, or None."""
    if not name.startswith(METADATA):
        return payload.get(name)
    metadata = payload.get("metadata")
    return metadata.get(name.removeprefix(METADATA)) if isinstance(metadata, Mapping) else None


def same(stored: object, wanted: Scalar) -> bool:
    """Compare by type, so that True is not 1."""
    if isinstance(stored, bool) or isinstance(wanted, bool):
        return stored is wanted
    if isinstance(wanted, str) or isinstance(stored, str):
        return isinstance(stored, str) and stored == wanted
    return stored == wanted

"""What a filter means, for every store alike.

A key is a payload field; `metadata.<key>` reaches into the metadata, and everything after the first dot is the key as
written, dots included. Values are compared by type: text with text, truth values with truth values, numbers with
numbers (3 equals 3.0). A command line knows only text, so a text also matches the number or truth value that it
spells: "3" finds both "3" and 3.
"""

import re
from collections.abc import Mapping

from llm_engineering.domain.queries import Filter
from llm_engineering.domain.value import Scalar

METADATA = "metadata."
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
TRUTH = {"true": True, "false": False}


def matches(payload: Mapping[str, object], filter: Filter) -> bool:
    """Return whether the payload fulfils every condition of the filter."""
    return all(
        any(same(field_value(payload, name), meant) for meant in meanings(value)) for name, value in filter.items()
    )


def meanings(value: Scalar) -> tuple[Scalar, ...]:
    """Return the values that a filter value stands for: itself, and what a text spells.

    >>> meanings("3"), meanings("true"), meanings("v3"), meanings(3)
    (('3', 3), ('true', True), ('v3',), (3,))
    """
    if not isinstance(value, str):
        return (value,)
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

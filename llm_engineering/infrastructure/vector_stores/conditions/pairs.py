"""A field and its value as one text, for engines whose own values are not compared as ours: equal pairs, equal texts.

They are JSON in ASCII, so no engine refuses one, or changes it.
"""

import json
from collections.abc import Mapping

from llm_engineering.domain.conditions import Eq, In
from llm_engineering.domain.value import Scalar
from llm_engineering.infrastructure.vector_stores.conditions.matching import meanings
from llm_engineering.infrastructure.vector_stores.versioned.payloads import exact_number


def spelled(value: Scalar) -> str:
    """Return a value as a text that only equal values have.

    >>> spelled(3.0), spelled("3"), spelled(True), spelled("ß")
    ('3', '"3"', 'true', '"\\\\u00df"')
    """
    return json.dumps(exact_number(value))


def pair(field: str, value: Scalar) -> str:
    """Return a field with its value.

    >>> pair("metadata.week", 3.0)
    '["metadata.week",3]'
    """
    return json.dumps([field, exact_number(value)], separators=(",", ":"))


def pairs(fields: Mapping[str, Scalar]) -> list[str]:
    """Return all fields of a row with their values."""
    return [pair(field, value) for field, value in fields.items()]


def meant(leaf: Eq | In) -> list[Scalar]:
    """Return the values that a field has to have one of."""
    values = leaf.values if isinstance(leaf, In) else (leaf.value,)
    return [meaning for value in values for meaning in meanings(value)]


def sought(leaf: Eq | In) -> list[str]:
    """Return the pairs that a row has to have one of."""
    return list(dict.fromkeys(pair(leaf.field, value) for value in meant(leaf)))

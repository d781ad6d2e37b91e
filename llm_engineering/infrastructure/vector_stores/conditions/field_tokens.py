"""Fields and values as tokens of 32 hexadecimal digits, for engines that compare texts and nothing else exactly.

Equality of any field with any scalar becomes one comparison of short ASCII texts: no name or value of a user can be
too long, of the wrong type, or a part of a query. Two values have one token only where `matching.py` calls them equal.
"""

import json
from collections.abc import Iterable, Mapping
from hashlib import blake2b

from llm_engineering.domain.value import Scalar
from llm_engineering.infrastructure.vector_stores.conditions.matching import meanings
from llm_engineering.infrastructure.vector_stores.versioned.payloads import exact_number


def token(field: str, value: Scalar) -> str:
    """Return the token of a field's value.

    >>> token("metadata.week", 3) == token("metadata.week", 3.0) != token("metadata.week", "3")
    True
    """
    return blake2b(json.dumps([field, exact_number(value)]).encode(), digest_size=16).hexdigest()


def tokens_of(fields: Mapping[str, Scalar]) -> list[str]:
    """Return the tokens of a row's fields."""
    return [token(name, value) for name, value in fields.items()]


def wanted_tokens(field: str, values: Iterable[Scalar]) -> list[str]:
    """Return the tokens of all that these values of a filter stand for, each once."""
    return list(dict.fromkeys(token(field, meant) for value in values for meant in meanings(value)))

"""Payloads as engines keep them: the text that comes back as it was, and the flat fields that filters ask for."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llm_engineering.domain.chunks import Point
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.value import Scalar
from llm_engineering.infrastructure.vector_stores.conditions.matching import METADATA
from llm_engineering.infrastructure.vector_stores.versioned.generations import RESERVED

# Texts of a whole chunk: nobody filters by their equality, and a copy of each would double the index.
LONG = frozenset({"text", "context"})


def check_payloads(points: Sequence[Point]) -> None:
    """Refuse payloads that would not come back as they are, before anything is written.

    A NaN, for one, would become null without a word on its way over HTTP.

    Raises:
        BackendError: a payload holds what JSON cannot, or a key that this store needs for itself.
    """
    for point in points:
        if taken := RESERVED.intersection(point.payload):
            raise BackendError(
                f"the payload of point {point.id} has the key {min(taken)!r}, which the store needs; rename it"
            )
        try:
            json.dumps(point.payload, allow_nan=False, ensure_ascii=False).encode()
        except (ValueError, TypeError) as error:
            raise BackendError(f"the payload of point {point.id} cannot be sent as JSON: {error}") from error


def encoded(payload: Mapping[str, object]) -> str:
    """Return a payload as JSON in ASCII: no character of it can be refused or changed on the way."""
    return json.dumps(payload, default=dict, allow_nan=False, separators=(",", ":"))


def decoded(text: str) -> dict[str, Any]:
    """Return the payload of a text.

    Raises:
        BackendError: it is none; somebody else wrote to the store.
    """
    try:
        payload = json.loads(text)
    except ValueError as error:
        raise BackendError(
            f"a payload in the vector store cannot be read ({error}); build the index again: python -m tools.index "
            "repair"
        ) from error
    return payload if isinstance(payload, dict) else {}


def fields_of(payload: Mapping[str, object]) -> dict[str, Scalar]:
    """Return the scalars of a payload by the names that filters use.

    >>> fields_of({"source": "faq", "text": "long", "metadata": {"course": "ml", "score": 3.0, "tags": ["a"]}})
    {'source': 'faq', 'metadata.course': 'ml', 'metadata.score': 3}

    A number that is whole comes as an integer, so that engines that tell 3 from 3.0 compare it as we do.
    """
    return {name: exact_number(value) for name, value in _scalars(payload)}


def _scalars(payload: Mapping[str, object]) -> Iterator[tuple[str, Scalar]]:
    metadata = payload.get("metadata")
    for name, value in payload.items():
        # A name that begins as metadata do means those, never a field of its own.
        if name not in LONG and not name.startswith(METADATA) and isinstance(value, str | int | float | bool):
            yield name, value
    if isinstance(metadata, Mapping):
        for name, value in metadata.items():
            if isinstance(value, str | int | float | bool):
                yield f"{METADATA}{name}", value


def exact_number(value: Scalar) -> Scalar:
    """Return a whole number as an integer, which every digit is written of; other values as they are."""
    return int(value) if isinstance(value, float) and value.is_integer() else value

"""How values are written as text, so that any Python string comes back unchanged."""

import json
from datetime import UTC, datetime
from hashlib import sha256
from typing import TypeVar

from pydantic import ValidationError

from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.value import Value

V = TypeVar("V", bound=Value)


def to_text(value: Value) -> str:
    """Return a value as JSON in one line. Lone surrogates are not escaped: two of them would be read as one letter."""
    return json.dumps(value.model_dump(), ensure_ascii=False, default=str)


def from_text(kind: type[V], text: str) -> V:
    """Return the value that was written.

    Raises:
        BackendError: it is damaged, or a later version wrote it.
    """
    try:
        return kind.model_validate(json.loads(text))
    except (ValueError, ValidationError) as error:
        raise BackendError(
            f"the assistant's state holds a {kind.__name__} that cannot be read ({type(error).__name__}); remove it, "
            "or use the version of llm-engineering that wrote it"
        ) from error


def iso(microseconds: int) -> str:
    """Return a time in UTC as ISO 8601 text with microseconds."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest).isoformat(timespec="microseconds")


def hashed(text: str) -> str:
    """Return the SHA-256 of a text, as 64 hex digits: a key of any length and content becomes one that stores take."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

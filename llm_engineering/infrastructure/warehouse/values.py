"""How values that have no column type of their own are written: JSON, times, vectors."""

import json
import sys
from array import array
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.errors import BackendError


def now() -> str:
    """Return the time in UTC as ISO 8601 text, always with microseconds, so that texts sort as times do."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def to_json(content: Mapping[str, object]) -> str:
    """Return a mapping as ASCII JSON: whatever its strings hold, every database takes it."""
    return json.dumps(dict(content), ensure_ascii=True)


def from_json(stored: str) -> dict[str, Any]:
    """Return the mapping that was stored.

    Raises:
        BackendError: the text is no JSON object; something else than this adapter wrote it.
    """
    try:
        content = json.loads(stored)
    except ValueError as error:
        raise BackendError(f"the warehouse holds damaged JSON: {stored[:80]!r}") from error
    if not isinstance(content, dict):
        raise BackendError(f"the warehouse holds JSON that is no object: {stored[:80]!r}")
    return content


def to_bytes(vector: Vector) -> bytes:
    """Return a vector as little-endian float32, 4 bytes a component."""
    if vector.typecode != "f":
        raise ValueError(f"a vector is array('f', …), not array({vector.typecode!r}, …)")
    if sys.byteorder == "little":
        return vector.tobytes()
    swapped = array("f", vector)
    swapped.byteswap()
    return swapped.tobytes()


def from_bytes(stored: bytes) -> Vector:
    """Return the vector that `to_bytes` was given.

    Raises:
        BackendError: the length is no multiple of 4.
    """
    vector = array("f")
    try:
        vector.frombytes(stored)
    except ValueError as error:
        raise BackendError(f"the warehouse holds a damaged vector of {len(stored)} bytes") from error
    if sys.byteorder != "little":
        vector.byteswap()
    return vector

"""How Qdrant's engine names a payload field, embedded and on a server, and which numbers it compares exactly."""

import re

from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.vector_stores.conditions.matching import METADATA

# Whole numbers above this are no longer exact as floating-point numbers, and the engine's ranges are floating-point.
LARGEST_EXACT = 2**53
LARGEST_INTEGER = 2**63 - 1


def payload_path(name: str) -> str:
    """Return the engine's path of a payload field; a key that is not a plain word is quoted.

    >>> payload_path("metadata.course"), payload_path("metadata.due date"), payload_path("metadata.a.b")
    ('metadata.course', 'metadata."due date"', 'metadata."a.b"')
    """
    if '"' in name or "\\" in name:
        raise UsageError(
            f"the field {name!r} cannot be filtered on: its name holds a quotation mark or a backslash; rename it"
        )
    prefix = METADATA if name.startswith(METADATA) else ""
    key = name.removeprefix(prefix)
    return prefix + (key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f'"{key}"')

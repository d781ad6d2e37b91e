"""Rows as hashes of Redis."""

from array import array
from hashlib import blake2b
from typing import Any

from llm_engineering.infrastructure.vector_stores.redis.queries import (
    tag_of_term,
    tags_of,
)
from llm_engineering.infrastructure.vector_stores.versioned.engine import Row
from llm_engineering.infrastructure.vector_stores.versioned.payloads import decoded
from llm_engineering.infrastructure.vector_stores.versioned.vectors import (
    NO_DENSE,
    NO_SPARSE,
    dense_of,
    packed,
    unpacked,
)


def place_of(key: str) -> int:
    """Return where a row stands among the others: 48 bits of its key's digest, which Redis can sort by exactly."""
    return int.from_bytes(blake2b(key.encode(), digest_size=6).digest())


def hash_of(row: Row) -> list[Any]:
    """Return the fields of a row's hash, names and values by turns."""
    return [
        *("id", row.id, "first", row.first, "until", row.until, "place", place_of(row.key)),
        *("tokens", tags_of(row), "terms", ",".join(map(tag_of_term, row.sparse.indices))),
        *("dense", array("f", row.dense).tobytes(), "sparse", packed(row.sparse), "payload", row.text),
    ]


def row_of(
    key: str,
    known: bytes | None,
    first: bytes | None,
    until: bytes | None,
    payload: bytes | None,
    dense: bytes | None = None,
    sparse: bytes | None = None,
) -> Row:
    """Return the row that a hash holds; one without our fields is somebody else's."""
    vectors = (dense_of(dense) if dense else NO_DENSE, unpacked(sparse) if sparse else NO_SPARSE)
    texts = (known.decode() if known else key, int(first or 0), int(until or 0))
    return Row(key, *texts, *vectors, decoded(payload.decode()) if payload else {})

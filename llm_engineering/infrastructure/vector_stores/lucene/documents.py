"""Rows as documents of Elasticsearch and OpenSearch.

Both may change what they return of a vector, or leave it out, so a document also carries the bytes of its vectors.
`pairs` holds the sparse vector in 64-bit integers, the term above the bits of its 32-bit weight: unlike the fields
that these servers have for such vectors, which round a weight to 9 bits, a script reads it exactly.
"""

import json
from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from struct import pack, unpack
from typing import Any

from llm_engineering.infrastructure.vector_stores.conditions.field_tokens import token, tokens_of
from llm_engineering.infrastructure.vector_stores.versioned.engine import Row
from llm_engineering.infrastructure.vector_stores.versioned.payloads import decoded
from llm_engineering.infrastructure.vector_stores.versioned.vectors import NO_DENSE, NO_SPARSE, packed, unpacked

KEYWORD = {"type": "keyword"}
SOURCE = {"type": "text", "index": False}
RECORDS = {"dynamic": "strict", "properties": {"key": KEYWORD, "value": SOURCE}}
SLIM = ["key", "id", "first", "until", "payload"]
WHOLE = [*SLIM, "vectors"]
# Numbers beyond what 64 bits hold; every bound that the server is asked about is far below.
CLAMP = 10**300
# AWS takes 10 MB in one request on its small machines; a cluster of one's own takes 100 MB.
LARGEST_BODY = 5_000_000


def mapping(dense: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    """Return the mapping of a version's index."""
    properties = {
        "key": KEYWORD,
        "id": KEYWORD,
        "first": {"type": "integer"},
        "until": {"type": "integer"},
        "tokens": {**KEYWORD, "doc_values": False},
        "numbers": {"type": "nested", "properties": {"field": KEYWORD, "value": {"type": "double"}}},
        "dense": dense,
        "terms": {**KEYWORD, "doc_values": False},
        "pairs": {"type": "long", "index": False},
        "payload": SOURCE,
        "vectors": {"type": "binary"},
    }
    return {"dynamic": "strict", "_meta": {"fields": list(fields)}, "properties": properties}


def document(row: Row) -> dict[str, Any]:
    """Return a row as a document."""
    numbers = [
        {"field": token(name, ""), "value": float(max(-CLAMP, min(CLAMP, value)))}
        for name, value in row.fields.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    return {
        "key": row.key,
        "id": row.id,
        "first": row.first,
        "until": row.until,
        "tokens": tokens_of(row.fields),
        "numbers": numbers,
        "dense": row.dense.tolist(),
        "terms": [str(term) for term in row.sparse.indices],
        "pairs": [pair(*both) for both in zip(row.sparse.indices, row.sparse.values, strict=True)],
        "payload": row.text,
        "vectors": b64encode(row.dense.tobytes() + packed(row.sparse)).decode(),
    }


def row_of(hit: Mapping[str, Any], dimension: int = 0) -> Row:
    """Return the row of a document, with its vectors if it came with them; what somebody else put there lacks much."""
    found, key = hit.get("_source") or {}, str(hit["_id"])
    dense, sparse = NO_DENSE, NO_SPARSE
    if text := found.get("vectors"):
        content, dense = b64decode(text), array("f")
        dense.frombytes(content[: 4 * dimension])
        sparse = unpacked(content[4 * dimension :])
    payload = decoded(found["payload"]) if "payload" in found else {}
    return Row(key, found.get("id", key), found.get("first", 0), found.get("until", 0), dense, sparse, payload)


def pair(term: int, weight: float) -> int:
    """Return a term and its weight as one signed integer; they sort as `signed` terms do.

    >>> pair(3, 1.0) >> 32, pair(2**32 - 1, 1.0) >> 32
    (3, -1)
    """
    bits: int = unpack("<I", pack("<f", weight))[0]
    return signed(term) << 32 | bits


def signed(term: int) -> int:
    """Return a term below 2**32 as the 32-bit integer with a sign that has its bits."""
    return term - 2**32 if term >= 2**31 else term


def bodies(operations: Iterator[tuple[Mapping[str, Any], Mapping[str, Any] | None]]) -> Iterator[str]:
    """Return bulk requests of at most about 5 MB for pairs of what to do and with which document."""
    lines: list[str] = []
    size = 0
    for action, content in operations:
        said = json.dumps(action) + "\n" + (json.dumps(content) + "\n" if content is not None else "")
        if lines and size + len(said) > LARGEST_BODY:
            yield "".join(lines)
            lines, size = [], 0
        lines.append(said)
        size += len(said)
    if lines:
        yield "".join(lines)

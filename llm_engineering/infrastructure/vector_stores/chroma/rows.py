"""Rows in the words of Chroma: metadata that can be filtered on, and a document that holds the rest."""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from llm_engineering.domain.chunks import SparseVector
from llm_engineering.infrastructure.vector_stores.chroma.conditions import number_marks, numbers
from llm_engineering.infrastructure.vector_stores.conditions.pairs import pairs, spelled
from llm_engineering.infrastructure.vector_stores.versioned.engine import Row
from llm_engineering.infrastructure.vector_stores.versioned.payloads import decoded
from llm_engineering.infrastructure.vector_stores.versioned.vectors import (
    packed,
    unpacked,
)


def metadata_of(row: Row) -> dict[str, Any]:
    """Return what filters ask for. Chroma takes no empty lists."""
    terms = {"terms": list(row.sparse.indices)} if row.sparse.indices else {}
    named = pairs(row.fields) + number_marks(row.fields)
    document = {"document": spelled(row.fields["document_id"])} if "document_id" in row.fields else {}
    return {
        "ours": True,
        "id": row.id,
        "first": row.first,
        "until": row.until,
        "sparse": bool(terms),
        **terms,
        **document,
        **({"pairs": named} if named else {}),
        **numbers(row.fields),
    }


def document_of(row: Row) -> str:
    """Return a row's sparse vector and payload as one text of two lines."""
    return f"{b64encode(packed(row.sparse)).decode()}\n{row.text}"


def parsed(text: str) -> tuple[SparseVector, Mapping[str, object]]:
    """Return the sparse vector and the payload of such a text."""
    sparse, _, payload = text.partition("\n")
    return unpacked(b64decode(sparse)), decoded(payload)


def dot(text: str, weights: Mapping[int, float]) -> float:
    """Return the dot product of the sparse vector of such a text and the weights."""
    sparse = unpacked(b64decode(text.partition("\n")[0]))
    pairs = zip(sparse.indices, sparse.values, strict=True)
    return sum(weights[term] * value for term, value in pairs if term in weights)


def point_of(key: str) -> str:
    """Return the id of the point that a key of ours is of."""
    return key.rpartition("-")[0]


def both(allowed: dict[str, Any] | None, more: dict[str, Any]) -> dict[str, Any]:
    """Return the filter that asks for both."""
    return more if allowed is None else {"$and": [allowed, more]}


def holding_one_of(terms: Sequence[int]) -> dict[str, Any]:
    """Return the filter for rows that hold one of the terms."""
    told = [{"terms": {"$contains": term}} for term in terms]
    return {"$or": told} if len(told) > 1 else told[0]

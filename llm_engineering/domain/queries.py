"""Questions to an index and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from llm_engineering.domain.documents import Metadata
from llm_engineering.domain.value import Scalar

# A filter is a conjunction: each payload field must equal its value. An empty mapping lets everything through.
Filter = Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class ScoredPoint:
    """A point that a vector store found, with the store's own score (cosine or BM25; higher is nearer)."""

    id: str
    score: float
    payload: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that answers a query, with the place in its source: `text` is the cleaned document at [start, end).

    `scores` tells what each retrieval method gave before fusion (for example dense 0.71, sparse 9.2).
    """

    chunk_id: str
    score: float
    document_id: str
    uri: str
    title: str
    start: int
    end: int
    text: str
    metadata: Metadata = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)

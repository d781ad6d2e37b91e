"""Questions to an index and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import Field

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.conditions import Filter
from llm_engineering.domain.documents import CleanedDocument, Metadata
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.value import Scalar, Value

__all__ = ["Filter", "Found", "Hit", "Passage", "Retrieved", "ScoredPoint", "StageTrace"]


@dataclass(frozen=True, slots=True)
class ScoredPoint:
    """A point that a vector store found, with the store's own score (cosine or BM25; higher is nearer)."""

    id: str
    score: float
    payload: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a cleaned document: its text at [start, end)."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that answers a query, with the place in its source: `text` is the cleaned document at [start, end).

    `scores` tells what each retrieval method gave before fusion (for example dense 0.71, sparse 9.2). `parent` is the
    wider passage around it, where the retrieval was asked for one: it contains the hit, and is what an LLM reads.
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
    source: str = ""
    context: str = ""
    parent: Passage | None = None


class StageTrace(Value):
    """What one stage of a retrieval did: how many candidates it was given and left, how long it took, and why."""

    stage: str
    seconds: float
    given: int = 0
    left: int = 0
    detail: dict[str, Scalar] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The hits for a question, best first, and how they were found.

    `confidence` is between 0 and 1 where a threshold is calibrated, else None; `answerable` is False if it is below the
    threshold: then the hits are the nearest there is, and no answer. `version` names the index version they are from.
    `warnings` are sentences about what was asked: a field of the filter that no document has.
    """

    query: str
    hits: tuple[Hit, ...]
    answerable: bool = True
    confidence: float | None = None
    version: str = ""
    stages: tuple[StageTrace, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What an answer is made from: the hits, their documents as the caller may see them, and the manifest of the index
    version that both are of; and the vectors of what was searched for, by its wordings."""

    retrieved: Retrieved
    documents: Mapping[str, CleanedDocument]
    manifest: IndexManifest
    vectors: Mapping[str, Vector] = field(default_factory=dict)

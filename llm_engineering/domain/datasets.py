"""Data sets for training: what a retriever learns from, which rows it may learn from, and what is known about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import Field

from llm_engineering.domain.value import Scalar, Value


class Split(StrEnum):
    """What a row may be used for. Documents, and documents that nearly repeat each other, are never in two splits."""

    TRAIN = "train"  # to learn from
    VALIDATION = "validation"  # to stop and to choose by
    TEST = "test"  # held out: to judge with, once; every trainer refuses these rows


@dataclass(frozen=True)
class RetrievalPair:
    """A question with a passage that answers it, and passages that look alike and do not.

    `origin` is where the question comes from: question (asked by somebody), title, heading, faq, llm. `documents` are
    the ids of all documents that answer it, `document_id` is the one of the passage. `filter` is JSON: what a search
    for it is limited to. `cluster` is the same for all rows whose documents nearly repeat each other.
    `negative_documents` are the documents of the negatives, one for each, so that these can be forgotten, too.
    """

    id: str
    question: str
    document_id: str
    chunk_id: str
    passage: str
    documents: tuple[str, ...]
    negatives: tuple[str, ...]
    negative_ids: tuple[str, ...]
    origin: str
    source: str
    filter: str
    cluster: str
    split: str
    negative_documents: tuple[str, ...] = ()


@dataclass(frozen=True)
class HeldQuestion:
    """A question of a data set to evaluate with: the documents that answer it, and what its search is limited to."""

    id: str
    text: str
    documents: tuple[str, ...]
    filter: Mapping[str, Scalar] = field(default_factory=dict)
    source: str = ""


class DatasetCard(Value):
    """What is known about a version of a data set. `digest` covers the rows, so it says whether they are these.

    `rows` counts by split, `origins` by origin, `dropped` by reason. `index` is the index version (collection, version,
    fingerprint) whose passages it holds, `sources` the sources of its documents. `licence` and `users` (who may use
    it; empty: everybody) are the user's words.
    """

    name: str
    version: str
    digest: str
    kind: str = "retrieval"
    rows: dict[str, int] = Field(default_factory=dict)
    origins: dict[str, int] = Field(default_factory=dict)
    dropped: dict[str, int] = Field(default_factory=dict)
    documents: int = 0
    clusters: int = 0
    sources: tuple[str, ...] = ()
    index: dict[str, str] = Field(default_factory=dict)
    settings: dict[str, object] = Field(default_factory=dict)
    licence: str = ""
    users: tuple[str, ...] = ()
    cost: float = 0.0
    run: int = 0
    created_at: str = ""

    @property
    def reference(self) -> str:
        """The name by which a version is asked for."""
        return f"{self.name}@{self.version}"

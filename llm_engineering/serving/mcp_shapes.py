"""What the tools of the Model Context Protocol return."""

from pydantic import BaseModel

from llm_engineering.domain.answers import Citation
from llm_engineering.domain.queries import Hit
from llm_engineering.domain.value import Scalar


class FoundPassage(BaseModel):
    """A passage: the text of the document at [start, end)."""

    document_id: str
    uri: str
    title: str
    source: str
    start: int
    end: int
    text: str
    score: float
    metadata: dict[str, Scalar]


class SearchResult(BaseModel):
    """Passages, best first. Where `answerable` is false they are the nearest there is, and no answer. `warnings` name
    fields of the filter that no document has."""

    passages: list[FoundPassage]
    answerable: bool
    confidence: float | None
    index_version: str
    warnings: list[str]


class AskResult(BaseModel):
    """An answer. `[n]` in its text is citation n, which names the place in the document that says so."""

    answer: str
    outcome: str
    citations: list[Citation]
    flags: list[str]
    confidence: float | None
    answer_id: str
    index_version: str
    warnings: list[str]


class DocumentPart(BaseModel):
    """The text of a document at [start, end) of its `length` characters."""

    document_id: str
    uri: str
    title: str
    source: str
    start: int
    end: int
    length: int
    text: str


def passage_of(hit: Hit) -> FoundPassage:
    """Return a hit as tools show it."""
    return FoundPassage(
        document_id=hit.document_id,
        uri=hit.uri,
        title=hit.title,
        source=hit.source,
        start=hit.start,
        end=hit.end,
        text=hit.text,
        score=hit.score,
        metadata=dict(hit.metadata),
    )

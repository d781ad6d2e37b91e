"""What a source would yield, before anything is stored."""

from llm_engineering.domain.documents import Format
from llm_engineering.domain.incidents import Incident
from llm_engineering.domain.value import Scalar, Value


class ChunkPreview(Value):
    """A chunk as it would be embedded: its context, its text, and the tokens of both."""

    text: str
    context: str
    tokens: int


class DocumentPreview(Value):
    """A document after cleaning, with its chunks. `text` is what chunks are cut from."""

    uri: str
    key: str
    title: str
    format: Format
    text: str
    metadata: dict[str, Scalar]
    provenance: dict[str, Scalar]
    chunks: tuple[ChunkPreview, ...]


class SourcePreview(Value):
    """The first documents of a source and what was wrong with others. `more` says that it was not read to its end."""

    source: str
    kind: str
    documents: tuple[DocumentPreview, ...]
    problems: tuple[Incident, ...]
    more: bool
    seconds: float

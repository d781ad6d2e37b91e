"""Each format by the chunker that suits it."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field

from llm_engineering.application.chunking.code import Code
from llm_engineering.application.chunking.fixed import Fixed
from llm_engineering.application.chunking.markdown import Markdown
from llm_engineering.application.chunking.own_function import PythonChunker
from llm_engineering.application.chunking.record import Record
from llm_engineering.application.chunking.semantic import Semantic
from llm_engineering.application.chunking.sentences import Sentences
from llm_engineering.application.chunking.window import Provide
from llm_engineering.domain.chunks import Chunk
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.ports import SubwordTokenizer
from llm_engineering.domain.value import Value

FormatChunker = Annotated[
    Record | Markdown | Sentences | Code | Fixed | Semantic | PythonChunker, Field(discriminator="kind")
]


class ByFormat(Value):
    """Choose the chunker by the document's format."""

    kind: Literal["by_format"] = "by_format"
    max_tokens: int | None = Field(None, ge=8, description="for all formats that do not set their own")
    record: FormatChunker = Field(Record(), description="for records")
    markdown: FormatChunker = Field(Markdown(), description="for Markdown, which HTML has become")
    text: FormatChunker = Field(Sentences(), description="for plain text")
    code: FormatChunker = Field(Code(), description="for source files")

    def require(self) -> None:
        """Refuse to go on without an extra that one of the chunkers needs."""
        for chunker in (self.record, self.markdown, self.text, self.code):
            chunker.require()

    def bound(self, provide: Provide) -> Self:
        """Return this chunker with the vectors that one of the chunkers compares, if it compares any."""
        chunkers = {name: getattr(self, name).bound(provide) for name in ("record", "markdown", "text", "code")}
        return self.model_copy(update=chunkers)

    def chunk(self, document: CleanedDocument, tokenizer: SubwordTokenizer) -> Iterator[Chunk]:
        """Yield the chunks of a document, in order."""
        chosen: FormatChunker = getattr(self, document.format)
        if chosen.max_tokens is None and self.max_tokens is not None:
            chosen = chosen.model_copy(update={"max_tokens": self.max_tokens})
        return chosen.chunk(document, tokenizer)

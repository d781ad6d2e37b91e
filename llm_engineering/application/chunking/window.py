"""What all chunkers share: the window, and the way from a document to chunks."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self

from pydantic import Field

from llm_engineering.application.chunking.passages import Passage, without_scraps
from llm_engineering.application.chunking.sizing import Sizer
from llm_engineering.domain.chunks import Chunk
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.ports import PassageVectors, SubwordTokenizer
from llm_engineering.domain.value import Value

# Gives a chunker its vectors, of the embedder that it names; None is the index's own.
Provide = Callable[[Mapping[str, Any] | None], PassageVectors]


class Windowed(Value, ABC):
    """A chunker that never exceeds the embedder's window. A new kind implements `passages`."""

    max_tokens: int | None = Field(
        None, ge=8, description="most tokens of a chunk, context and special tokens included; the embedder's window"
    )

    def chunk(self, document: CleanedDocument, tokenizer: SubwordTokenizer) -> Iterator[Chunk]:
        """Yield the chunks of a document, in order. Together they cover all that is not white space.

        Raises:
            UsageError: `max_tokens` is beyond the embedder's window.
        """
        sizer = Sizer(document.text, tokenizer, self.window(tokenizer))
        if not document.text.strip():
            return
        for position, passage in enumerate(without_scraps(self.passages(document, sizer), sizer)):
            yield Chunk(
                document_id=document.id,
                uri=document.uri,
                source=document.source,
                title=document.title,
                position=position,
                start=passage.start,
                end=passage.end,
                text=document.text[passage.start : passage.end],
                context=passage.context,
                tokens=passage.tokens,
                metadata=document.metadata,
            )

    def window(self, tokenizer: SubwordTokenizer) -> int:
        """Return the most tokens of a chunk, special tokens included."""
        if self.max_tokens is None:
            return tokenizer.max_tokens
        if self.max_tokens > tokenizer.max_tokens:
            raise UsageError(
                f"max_tokens is {self.max_tokens}, but the embedder reads only {tokenizer.max_tokens} tokens and would "
                f"drop the rest; set max_tokens to at most {tokenizer.max_tokens}, or leave it out to use them all"
            )
        return self.max_tokens

    def require(self) -> None:
        """Refuse to go on without an extra that these settings need.

        Raises:
            UsageError: it is not installed.
        """

    def bound(self, provide: Provide) -> Self:  # noqa: ARG002 - most kinds compare no vectors
        """Return this chunker with the vectors that it compares, if it compares any."""
        return self

    @abstractmethod
    def passages(self, document: CleanedDocument, sizer: Sizer) -> Iterable[Passage]:
        """Return the passages of a document that is not blank."""

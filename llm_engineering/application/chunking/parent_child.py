"""Small chunks to be found, in wider parents to be read."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from llm_engineering.application.chunking.by_format import ByFormat, FormatChunker
from llm_engineering.application.chunking.code import Code
from llm_engineering.application.chunking.markdown import Markdown
from llm_engineering.application.chunking.passages import Passage, without_scraps
from llm_engineering.application.chunking.record import Record
from llm_engineering.application.chunking.sentences import Sentences
from llm_engineering.application.chunking.sizing import Sizer
from llm_engineering.application.chunking.window import Provide, Windowed
from llm_engineering.domain.chunks import PARENT, Chunk
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.ports import SubwordTokenizer
from llm_engineering.domain.value import Value


class ParentChild(Value):
    """Divide a document into parents, and those into the chunks that are searched.

    Parents are sections, definitions or paragraphs, whatever the format has, and may exceed the embedder's window: they
    are never embedded. Each chunk knows the span of its parent (`parent_span` in its metadata), and a search gives the
    parent to whoever reads the hit.
    """

    kind: Literal["parent_child"] = "parent_child"
    parent_tokens: int = Field(512, ge=16, le=100_000, description="most tokens of a parent, in the embedder's count")
    child_tokens: int = Field(96, ge=8, description="most tokens of a chunk, its context included")
    child: Annotated[ByFormat | FormatChunker, Field(discriminator="kind")] = Field(
        ByFormat(), description="what cuts a parent into chunks; its `max_tokens` is `child_tokens`"
    )

    @model_validator(mode="after")
    def _sizes_are_in_order(self) -> Self:
        if self.parent_tokens <= self.child_tokens:
            raise ValueError(
                f"parent_tokens is {self.parent_tokens} and child_tokens {self.child_tokens}; a parent is larger than "
                "its chunks"
            )
        return self

    def require(self) -> None:
        """Refuse to go on without an extra that the chunker of the children needs."""
        self.child.require()

    def bound(self, provide: Provide) -> Self:
        """Return this chunker with the vectors that its children are cut by, if they are."""
        return self.model_copy(update={"child": self.child.bound(provide)})

    def chunk(self, document: CleanedDocument, tokenizer: SubwordTokenizer) -> Iterator[Chunk]:
        """Yield the chunks of a document, in order. Together they cover all that is not white space.

        Raises:
            UsageError: `child_tokens` is beyond the embedder's window.
        """
        child = self.child.model_copy(update={"max_tokens": self.child_tokens})
        position = 0
        for parent in self._parents(document, tokenizer):
            for chunk in child.chunk(_alone(document, parent), tokenizer):
                yield replace(
                    chunk,
                    title=document.title,
                    position=position,
                    start=parent.start + chunk.start,
                    end=parent.start + chunk.end,
                    metadata={**document.metadata, PARENT: f"{parent.start}-{parent.end}"},
                )
                position += 1

    def _parents(self, document: CleanedDocument, tokenizer: SubwordTokenizer) -> Iterator[Passage]:
        if not document.text.strip():
            return
        sizer = Sizer(document.text, tokenizer, self.parent_tokens + tokenizer.special_tokens)
        yield from without_scraps(self._divider(document).passages(document, sizer), sizer)

    def _divider(self, document: CleanedDocument) -> Windowed:
        most = self.parent_tokens
        match document.format:
            case "record":
                return Record()
            case "markdown":
                return Markdown(target_tokens=most // 2)
            case "code":
                return Code(target_tokens=most // 2, parser=self._parser)
        return Sentences(target_tokens=most)

    @property
    def _parser(self) -> Literal["builtin", "tree_sitter"]:
        code = self.child.code if isinstance(self.child, ByFormat) else self.child
        return code.parser if isinstance(code, Code) else "builtin"


def _alone(document: CleanedDocument, parent: Passage) -> CleanedDocument:
    """Return a parent as a document of its own, whose title is what the parent was told."""
    told = parent.context or document.title
    metadata = (
        {**document.metadata, "path": told} if document.format == "code" and parent.context else document.metadata
    )
    return replace(document, text=document.text[parent.start : parent.end], title=told, metadata=metadata)

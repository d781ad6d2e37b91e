"""Whole sentences, put together up to a size, paragraphs first."""

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from llm_engineering.application.chunking.packing import Packer
from llm_engineering.application.chunking.passages import Passage
from llm_engineering.application.chunking.pieces import Piece, prose
from llm_engineering.application.chunking.sizing import Sizer
from llm_engineering.application.chunking.window import Windowed
from llm_engineering.application.text.sentences import sentence_spans
from llm_engineering.application.text.spacy_pipeline import SpacyPipeline
from llm_engineering.domain.documents import CleanedDocument


class Sentences(Windowed):
    """Chunk running text at the ends of sentences, paragraphs first; the context is the title."""

    kind: Literal["sentences"] = "sentences"
    target_tokens: int = Field(256, ge=1, description="sentences are put together up to this size")

    spacy: SpacyPipeline | None = Field(
        None,
        # Indexes that were made before there was a choice keep their fingerprint.
        exclude_if=lambda spacy: spacy is None,
        description="a spaCy pipeline that tells where sentences end; needs the extra `spacy`",
    )

    def require(self) -> None:
        """Refuse to go on without the extra, or with a pipeline that finds no sentences."""
        if self.spacy is not None:
            self.spacy.check(sentences=True)

    def passages(self, document: CleanedDocument, sizer: Sizer) -> Iterable[Passage]:
        text, context = document.text, (document.title,)
        split = sentence_spans if self.spacy is None else self.spacy.sentence_spans
        root = Piece(0, len(text), context, lambda: prose(text, 0, len(text), context, split), bond="group")
        return Packer(root, sizer, fill=self.target_tokens, siblings=self.target_tokens)

"""Whole sentences, put together up to a size, paragraphs first."""

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from llm_engineering.application.chunking.packing import Packer
from llm_engineering.application.chunking.passages import Passage
from llm_engineering.application.chunking.pieces import Piece, prose
from llm_engineering.application.chunking.sizing import Sizer
from llm_engineering.application.chunking.window import Windowed
from llm_engineering.domain.documents import CleanedDocument


class Sentences(Windowed):
    """Chunk running text at the ends of sentences, paragraphs first; the context is the title."""

    kind: Literal["sentences"] = "sentences"
    target_tokens: int = Field(256, ge=1, description="sentences are put together up to this size")

    def passages(self, document: CleanedDocument, sizer: Sizer) -> Iterable[Passage]:
        text, context = document.text, (document.title,)
        root = Piece(0, len(text), context, lambda: prose(text, 0, len(text), context), bond="group")
        return Packer(root, sizer, fill=self.target_tokens, siblings=self.target_tokens)

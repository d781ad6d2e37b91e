"""Chunks where a function of your own says so."""

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field

from llm_engineering.application.chunking.packing import Packer
from llm_engineering.application.chunking.passages import Passage
from llm_engineering.application.chunking.pieces import Piece, prose
from llm_engineering.application.chunking.sizing import Sizer
from llm_engineering.application.chunking.window import Windowed
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.functions import FunctionName, called
from llm_engineering.domain.value import Scalar


class PythonChunker(Windowed):
    """Chunk a text at the spans that `def chunk(text, **options)` returns: pairs of start and end, in order.

    Text between two spans is a chunk of its own, so nothing is lost; a span over the window is divided at sentences.
    The context is the title.
    """

    kind: Literal["python"] = "python"
    function: FunctionName = Field(description="package.module:name, importable from the working folder")
    options: Mapping[str, Scalar] = Field(default_factory=dict, description="arguments of the function by name")
    version: str = Field("", description="change it when the function changes: the index is then built anew")

    def passages(self, document: CleanedDocument, sizer: Sizer) -> Iterator[Passage]:
        text = document.text
        for start, end in self._covering(text):
            piece = _piece(text, start, end, (document.title,))
            yield from Packer(piece, sizer, fill=sizer.room, siblings=sizer.room)

    def _covering(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the spans of the function, and between them those of what it left out."""
        covered = 0
        for span in called(self.function, text, **self.options):
            start, end = self._checked(span, covered, len(text))
            if text[covered:start].strip():
                yield covered, start
            if text[start:end].strip():
                yield start, end
            covered = end
        if text[covered:].strip():
            yield covered, len(text)

    def _checked(self, span: object, covered: int, length: int) -> tuple[int, int]:
        if isinstance(span, tuple | list) and len(span) == 2 and all(type(offset) is int for offset in span):
            start, end = span
            if covered <= start < end <= length:
                return start, end
        raise UsageError(
            f"{self.function} returned {str(span)[:100]!r} as a span after {covered}; return pairs (start, end) in "
            f"order and without overlap, from 0 to {length}"
        )


def _piece(text: str, start: int, end: int, context: tuple[str, ...]) -> Piece:
    return Piece(start, end, context, lambda: prose(text, start, end, context), bond="section")

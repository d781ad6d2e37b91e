"""Running text where its meaning turns, as an embedding model sees it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from operator import mul
from typing import Any, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from llm_engineering.application.chunking.breakpoints import HEADING, Breakpoint, Gap, Percentile, segments
from llm_engineering.application.chunking.packing import Packer
from llm_engineering.application.chunking.passages import Passage
from llm_engineering.application.chunking.pieces import Piece
from llm_engineering.application.chunking.semantic_units import SemanticUnit, units_of
from llm_engineering.application.chunking.sizing import CONTEXT_SHARE, Sizer
from llm_engineering.application.chunking.window import Provide, Windowed
from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.ports import PassageVectors


class Semantic(Windowed):
    """Chunk a text where neighbouring sentences are furthest apart in meaning; the context is the title and headings.

    Headings begin a chunk, and blocks of Markdown such as tables and code stay whole if they fit. Each sentence, with
    those beside it in a window, is embedded once; what was embedded before costs nothing.
    """

    kind: Literal["semantic"] = "semantic"
    embedder: Mapping[str, Any] | None = Field(
        None, description="what tells meanings apart, written like section `embedding`; null: the index's own model"
    )
    sentences: int = Field(1, ge=1, le=10, description="how many sentences on each side of a gap are compared")
    breakpoint: Breakpoint = Field(Percentile(), description="which gaps part the text")
    min_tokens: int = Field(32, ge=1, description="what is shorter joins a neighbour if both together fit")
    target_tokens: int = Field(192, ge=8, description="what is longer is parted at its widest gaps")

    _vectors: PassageVectors | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _sizes_are_in_order(self) -> Self:
        if self.min_tokens * 2 > self.target_tokens:
            raise ValueError(
                f"min_tokens is {self.min_tokens} and target_tokens {self.target_tokens}; two of the shortest must fit "
                f"into the longest: set min_tokens to at most {self.target_tokens // 2}"
            )
        return self

    def bound(self, provide: Provide) -> Self:
        """Return this chunker with the vectors that it compares."""
        copy = self.model_copy()
        copy._vectors = provide(self.embedder)
        return copy

    def passages(self, document: CleanedDocument, sizer: Sizer) -> Iterator[Passage]:
        units = units_of(document)
        if not units:  # nothing but what no sentence is made of
            units = [SemanticUnit(0, (document.title,) if document.title else ())]
        starts = [0, *(unit.start for unit in units[1:]), len(document.text)]
        # A chunk is told its context as well, which takes its share of the window.
        most = min(self.target_tokens, max(8, sizer.room - sizer.room // CONTEXT_SHARE))
        gaps = self._gaps(document.text, units, starts, sizer)
        threshold = self.breakpoint.threshold([gap.distance for gap in gaps[1:] if gap.distance < HEADING])
        for first, last in segments(gaps, threshold, min(self.min_tokens, most // 2), most):
            piece = _segment(document.text, units[first:last], starts[first : last + 1])
            yield from Packer(piece, sizer, fill=sizer.room, siblings=sizer.room)

    def _gaps(self, text: str, units: Sequence[SemanticUnit], starts: Sequence[int], sizer: Sizer) -> list[Gap]:
        """Measure each unit, and how far it is from what stands before it."""
        many, wide = len(units), min(self.sentences, max(1, len(units) - 1))
        blocks = [text[starts[index] : starts[min(index + wide, many)]].strip() for index in range(many)]
        vectors = self._embedded(blocks) if many > 1 else []
        gaps: list[Gap] = []
        for index, unit in enumerate(units):
            size = sizer.weight(starts[index], starts[index + 1])
            glued = index > 0 and units[index - 1].level > 0
            if index == 0 or unit.level:
                gaps.append(Gap(size, HEADING, glued))
            else:
                gaps.append(Gap(size, _distance(vectors[max(0, index - wide)], vectors[index]), glued))
        return gaps

    def _embedded(self, texts: Sequence[str]) -> Sequence[Vector]:
        if self._vectors is None:
            raise UsageError(
                "the chunker `semantic` compares vectors, and nobody gave it any; run it through a pipeline, or call "
                "`chunker.bound` with an embedder"
            )
        return self._vectors.of(texts)


def _segment(text: str, units: Sequence[SemanticUnit], starts: Sequence[int]) -> Piece:
    def parts() -> Iterator[Piece]:
        for unit, (start, end) in zip(units, pairwise(starts), strict=True):
            yield unit.piece(text, start, end)

    return Piece(starts[0], starts[-1], units[0].context, parts, bond="section")


def _distance(left: Vector, right: Vector) -> float:
    """Return 1 - cosine of two unit vectors. The last digits, which depend on the machine, decide nothing."""
    return round(max(0.0, 1.0 - float(sum(map(mul, left, right)))), 4)

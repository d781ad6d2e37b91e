"""A record (a row of an API, a question with its answer) is one chunk."""

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from llm_engineering.application.chunking.packing import Packer
from llm_engineering.application.chunking.passages import Passage
from llm_engineering.application.chunking.pieces import Piece, prose
from llm_engineering.application.chunking.sizing import Sizer
from llm_engineering.application.chunking.window import Windowed
from llm_engineering.domain.documents import CleanedDocument


class Record(Windowed):
    """Keep a record whole. One over the window is divided at sentences, each part with the record's context."""

    kind: Literal["record"] = "record"
    context: tuple[str, ...] = Field(
        ("title",),
        description="`title` and names of metadata fields that each chunk is told, outermost first; "
        "what the chunk's first line says already is left out",
    )

    def passages(self, document: CleanedDocument, sizer: Sizer) -> Iterable[Passage]:
        text = document.text
        known = {**document.metadata, "title": document.title}
        context = tuple(str(known[name]) for name in self.context if known.get(name) not in (None, ""))
        root = Piece(0, len(text), context, lambda: prose(text, 0, len(text), context), bond="section")
        return Packer(root, sizer, fill=sizer.room, siblings=sizer.room)

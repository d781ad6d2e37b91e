"""Section `graph`: which entities a graph has, and which of them belong together."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from llm_engineering.application.graph.entities import entities_in, headings_in, links_in
from llm_engineering.domain.graphs import Mention
from llm_engineering.domain.value import Value

Kind = Literal["phrases", "identifiers", "headings"]


class EntityGraph(Value):
    """Find entities by how they are written: names, identifiers of code, headings; and links between documents."""

    entities: tuple[Kind, ...] = Field(
        ("phrases", "identifiers", "headings"),
        min_length=1,
        description="phrases = capitalised names, identifiers = names of code and abbreviations, headings = titles and "
        "headings above a passage",
    )
    stop: tuple[str, ...] = Field((), description="entities to leave out, whatever their case")
    least_chunks: int = Field(2, ge=1, le=1_000, description="an entity that fewer chunks mention is left out")
    most_share: float = Field(
        0.1, gt=0, le=1, description="an entity that a larger share of all chunks (and 20 of them) mention says nothing"
    )
    per_chunk: int = Field(16, ge=2, le=100, description="entities of a chunk that count, the first ones")
    per_entity: int = Field(32, ge=1, le=1_000, description="strongest relations of an entity that are kept")

    def read(self, chunk_id: str, payload: Mapping[str, object]) -> Mention:
        """Return what a chunk mentions, in the order in which it does."""
        text, context, uri = (str(payload.get(name, "")) for name in ("text", "context", "uri"))
        found: list[str] = []
        if "headings" in self.entities:
            found += headings_in(str(payload.get("title", "")), context)
        found += entities_in(text, phrases="phrases" in self.entities, identifiers="identifiers" in self.entities)
        ignored = {word.casefold() for word in self.stop}
        own = {name.casefold(): name for name in reversed(found) if name.casefold() not in ignored}
        names = tuple(reversed(own.values()))[: self.per_chunk]
        return Mention(chunk_id, str(payload.get("document_id", "")), uri, names, tuple(links_in(text, uri)))

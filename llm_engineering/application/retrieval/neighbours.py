"""Neighbours: also look at passages that mention what goes together with the entities of the best hits."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from pydantic import Field

from llm_engineering.domain.value import Value


class Near(Protocol):
    """What is one step away in the graph: chunk id → how near, the documents of these, and how it was found."""

    @property
    def chunks(self) -> Mapping[str, float]: ...

    @property
    def documents(self) -> Collection[str]: ...

    @property
    def seeds(self) -> int: ...

    @property
    def entities(self) -> int: ...


class EntityNeighbours(Protocol):
    """The entity graph of an index version. `chunks` is how many it was made of."""

    chunks: int

    def near(self, query: str, chunk_ids: Sequence[str], neighbours: int, limit: int) -> Near: ...


class Neighbours(Value):
    """Add to the candidates passages that are one step away in the entity graph (section `graph`)."""

    seeds: int = Field(5, ge=1, le=100, description="best hits whose entities are the beginning")
    entities: int = Field(10, ge=1, le=1_000, description="nearest entities whose passages are looked at")
    chunks: int = Field(20, ge=1, le=1_000, description="passages that may be added")
    weight: float = Field(0.1, gt=0, le=10, description="how much they count beside the search itself, which counts 1")

"""The graph of a corpus: the entities that its chunks mention, what is mentioned together, and who links to whom."""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from llm_engineering.domain.corpus import Count
from llm_engineering.domain.value import Value


@dataclass(frozen=True, slots=True)
class Mention:
    """What one chunk mentions: entities as they are written there, and the addresses that it links to."""

    chunk_id: str
    document_id: str
    uri: str
    entities: tuple[str, ...]
    links: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entity:
    """A node: `key` is its name without regard to case, `name` how it is written most often, `chunks` mention it."""

    key: str
    name: str
    chunks: int
    documents: int


@dataclass(frozen=True, slots=True)
class Relation:
    """An edge. Entities (by key) that stand `together` in so many chunks, or documents (by id) of which the first
    links to the second so many times.

    `weight` is between 0 and 1: the count over the root of the product of what either has in all.
    """

    kind: str
    first: str
    second: str
    count: int
    weight: float


class GraphManifest(Value):
    """What the files of a graph hold. `state` is the state of the index version that it was made of.

    `settings` digests how entities were found; `folder` holds the files, below that of the version.
    """

    format: Literal["llm-engineering graph"] = "llm-engineering graph"
    format_version: Literal[1] = 1
    collection: str
    version: str
    fingerprint: str
    state: str
    settings: str
    folder: str
    chunks: int = 0
    documents: int = 0
    entities: int = 0
    relations: int = 0
    links: int = 0
    files: dict[str, str] = Field(default_factory=dict)


class GraphReport(Value):
    """What a step made of the graph: `read` chunks were new to it, the rest was known. `top` are frequent entities."""

    collection: str = ""
    version: str = ""
    chunks: int = 0
    read: int = 0
    entities: int = 0
    relations: int = 0
    links: int = 0
    folder: str = ""
    top: tuple[Count, ...] = ()

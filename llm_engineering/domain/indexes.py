"""Versions of an index, and the plan that brings one into agreement with the warehouse."""

from dataclasses import dataclass

from pydantic import Field

from llm_engineering.domain.value import Value


class ModelCard(Value):
    """What identifies an embedding model: vectors of two cards are never compared with each other.

    `digest` is the SHA-256 of the weights, `max_tokens` the window with special tokens included.
    """

    name: str
    digest: str
    dimension: int
    max_tokens: int


class IndexManifest(Value):
    """What an index version is made of. It travels with the index, so that a reader can refuse what does not fit.

    `fingerprint` covers everything that decides the content of the features: cleaning, chunking, tokenizing, model and
    payload schema. Another fingerprint is another version, built beside this one.
    """

    version: str
    fingerprint: str
    model: ModelCard
    payload_indexes: tuple[str, ...] = ()
    settings: dict[str, object] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DocumentState:
    """What the ledger of an index version, or the warehouse, knows of a document: its id and content hash."""

    document_id: str
    content_hash: str


class Plan(Value):
    """What a run has to do so that the index version equals the warehouse. The documents themselves travel beside it.

    `removed` are the ids of documents that the index still has and the warehouse no longer does.
    """

    run: int
    collection: str
    manifest: IndexManifest
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: tuple[str, ...] = ()
    activates: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether the index already equals the warehouse."""
        return not (self.new or self.changed or self.removed or self.activates)

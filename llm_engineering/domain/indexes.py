"""Versions of an index, and the plan that brings one into agreement with the warehouse."""

from dataclasses import dataclass

from pydantic import Field

from llm_engineering.domain.corpus import DuplicatesReport
from llm_engineering.domain.value import Value


class ModelCard(Value):
    """What identifies an embedding model: vectors of two cards are never compared with each other.

    `digest` is the SHA-256 of the weights, and of what else decides the vectors, such as a passage prompt; `max_tokens`
    the window with special tokens included. `tokenizer` identifies the tokenizer that sizes chunks where the rest does
    not. The prompts are there for readers: what is asked with another query prompt is still the same model.
    """

    name: str
    digest: str
    dimension: int
    max_tokens: int
    query_prompt: str = ""
    passage_prompt: str = ""
    tokenizer: str = ""


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


@dataclass(frozen=True, slots=True)
class IndexedChunk:
    """What the ledger of an index version knows of one point.

    `text_hash` finds its vector in the warehouse, `digest` is the `point_digest` of what was written.
    """

    document_id: str
    chunk_id: str
    text_hash: str
    digest: str


class IndexRecord(Value):
    """An index version as the warehouse knows it: its manifest, and what the ledger counts for it."""

    manifest: IndexManifest
    run: int
    created_at: str
    documents: int = 0
    chunks: int = 0


class VersionSummary(Value):
    """An index version for those who choose between several."""

    version: str
    active: bool
    model: str
    fingerprint: str
    documents: int
    chunks: int
    run: int
    created_at: str
    activated_at: str
    remark: str = ""

    @classmethod
    def of(
        cls, record: IndexRecord | None, stored: IndexManifest | None, *, active: bool, activated_at: str
    ) -> "VersionSummary":
        """Put together what warehouse and store know of a version; at least one of them knows it."""
        manifest = record.manifest if record else stored
        assert manifest is not None  # noqa: S101 - see above
        remark = "" if record and stored else "not in the warehouse" if stored else "not in the store"
        return cls(
            version=manifest.version,
            active=active,
            model=manifest.model.name,
            fingerprint=manifest.fingerprint,
            documents=record.documents if record else 0,
            chunks=record.chunks if record else 0,
            run=record.run if record else 0,
            created_at=record.created_at if record else "",
            activated_at=activated_at,
            remark=remark,
        )


class Activation(Value):
    """One switch of what readers see. `kind` is why: a run, an `activate`, or a `rollback` (with the version left)."""

    collection: str
    version: str
    kind: str
    left: str = ""
    run: int = 0
    at: str = ""


class Plan(Value):
    """What a run has to do so that the index version equals the warehouse. The documents themselves travel beside it.

    `removed` are the ids of documents that the index still has and the warehouse no longer does. `activates` says that
    readers do not see all of the version yet, even if no document changed; `serves`, that they are to see it at all.
    `state` is a digest of the documents that the version holds after the run.
    """

    run: int
    collection: str
    manifest: IndexManifest
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: tuple[str, ...] = ()
    activates: bool = False
    serves: bool = True
    state: str = ""
    duplicates: DuplicatesReport | None = None

    @property
    def is_empty(self) -> bool:
        """Whether the index already equals the warehouse."""
        return not (self.new or self.changed or self.removed or self.activates)

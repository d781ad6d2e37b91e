"""Documents of the warehouse as data: rows as exports hold them, their manifest, and the account of an import."""

from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from llm_engineering.domain.counting import counted
from llm_engineering.domain.documents import Document, Format, Metadata
from llm_engineering.domain.features import FeatureFile
from llm_engineering.domain.users import User
from llm_engineering.domain.value import Value, digest


@dataclass(frozen=True, slots=True)
class RawDocument:
    """A document as its source yielded it, with the id and the hash that it is proved by.

    `source_name` is the document's `source`: readers of partitioned files make a column `source` of the folder's name.
    """

    id: str
    source_name: str
    uri: str
    key: str
    title: str
    format: Format
    user_id: str
    content_hash: str
    text: str
    metadata: Metadata = field(default_factory=dict)
    provenance: Metadata = field(default_factory=dict)

    @classmethod
    def of(cls, document: Document) -> "RawDocument":
        """Return the row of a document."""
        return cls(
            id=document.id,
            source_name=document.source,
            uri=document.uri,
            key=document.key,
            title=document.title,
            format=document.format,
            user_id=document.user_id,
            content_hash=document.content_hash,
            text=document.text,
            metadata=document.metadata,
            provenance=document.provenance,
        )

    @property
    def document(self) -> Document:
        """The document that this row was made of."""
        return Document(
            uri=self.uri,
            source=self.source_name,
            format=self.format,
            text=self.text,
            title=self.title,
            key=self.key,
            user_id=self.user_id,
            metadata=self.metadata,
            provenance=self.provenance,
        )


class DocumentManifest(Value):
    """What an export of documents holds. The same documents have the same manifest, to the byte.

    `digest` is the SHA-256 of everything else here, the hashes of all files included. `cleaning` is the section that
    the texts were cleaned with; none, and left out, where they are as their sources yielded them. `left_out` counts, by
    reason, the documents that a cleaner refused or raised on.
    """

    format: Literal["llm-engineering documents"] = "llm-engineering documents"
    # Raise it when the files of an export change their meaning.
    format_version: Literal[1] = 1
    documents: int = Field(ge=0)
    cleaning: dict[str, object] | None = None
    left_out: dict[str, int] = Field(default_factory=dict)
    users: tuple[User, ...] = ()
    files: tuple[FeatureFile, ...] = ()
    digest: str = ""

    @model_serializer(mode="wrap")
    def _as_before(self, serialize: SerializerFunctionWrapHandler) -> dict[str, object]:
        # Manifests from before there was a `cleaning`, or anything was left out, keep their digest.
        fields: dict[str, object] = serialize(self)
        return {name: value for name, value in fields.items() if name not in ("cleaning", "left_out") or value}

    @property
    def id(self) -> str:
        """A name for people: the beginning of the digest."""
        return f"documents@{self.digest[:12]}"

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that it has documents of."""
        return tuple(dict.fromkeys(file.source for file in self.files))

    def sealed(self) -> "DocumentManifest":
        """Return this manifest with its digest."""
        return self.model_copy(update={"digest": digest(self.model_dump(mode="json", exclude={"digest"}))})


class ImportReport(Value):
    """The account of an import: found = new + changed + unchanged + forgotten."""

    run: int
    export: str
    found: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    forgotten: int = 0

    def __str__(self) -> str:
        erased = f" + {self.forgotten} erased before, which do not come back" if self.forgotten else ""
        return (
            f"{self.export}: {counted(self.found, 'document')} = {self.new} new + {self.changed} changed + "
            f"{self.unchanged} unchanged{erased}"
        )

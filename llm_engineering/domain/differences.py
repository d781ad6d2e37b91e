"""What differs between two index versions."""

from pydantic import Field

from llm_engineering.domain.value import Value


class SettingDifference(Value):
    """A setting that has two values, by its dotted key; `None` where a side does not have it."""

    key: str
    left: object = None
    right: object = None

    def __str__(self) -> str:
        return f"{self.key}: {self.left!r} → {self.right!r}"


class DocumentDifferences(Value):
    """Documents by id: how many each side has, what became of them, and the first URIs of each kind."""

    left: int = 0
    right: int = 0
    only_left: int = 0
    only_right: int = 0
    changed: int = 0
    same: int = 0
    first_only_left: tuple[str, ...] = ()
    first_only_right: tuple[str, ...] = ()
    first_changed: tuple[str, ...] = ()


class ChunkDifferences(Value):
    """Chunks by the text that was embedded, document by document. A text that is `kept` needs no new vector."""

    left: int = 0
    right: int = 0
    only_left: int = 0
    only_right: int = 0
    kept: int = 0


class Difference(Value):
    """The comparison of two index versions, or of two exports."""

    left: str
    right: str
    settings: tuple[SettingDifference, ...] = ()
    documents: DocumentDifferences = Field(default_factory=DocumentDifferences)
    chunks: ChunkDifferences = Field(default_factory=ChunkDifferences)

    @property
    def is_empty(self) -> bool:
        """Whether both sides hold the same documents, cut alike, by the same settings."""
        documents, chunks = self.documents, self.chunks
        counts = (documents.only_left, documents.only_right, documents.changed, chunks.only_left, chunks.only_right)
        return not (self.settings or any(counts))

    def summary(self) -> str:
        """Return the comparison for a person."""
        documents, chunks = self.documents, self.chunks
        lines = [
            f"{self.left} → {self.right}",
            f"documents: {documents.left} → {documents.right}: {documents.only_left} only in the first, "
            f"{documents.only_right} only in the second, {documents.changed} changed, {documents.same} the same",
            f"chunks: {chunks.left} → {chunks.right}: {chunks.only_left} only in the first, "
            f"{chunks.only_right} only in the second, {chunks.kept} with the same text",
            f"settings: {len(self.settings)} differ",
            *(f"  {setting}" for setting in self.settings),
        ]
        for what, total, first in (
            ("only in the first", documents.only_left, documents.first_only_left),
            ("only in the second", documents.only_right, documents.first_only_right),
            ("changed", documents.changed, documents.first_changed),
        ):
            lines += [f"{what}: {uri}" for uri in first]
            lines += [f"{what}: … and {total - len(first)} more"] if total > len(first) else []
        return "\n".join(lines)

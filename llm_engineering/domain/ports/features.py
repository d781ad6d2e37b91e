"""Where feature versions are exported to, and read back from."""

from collections.abc import Iterable
from typing import Protocol

from llm_engineering.domain.features import FeatureChunk, FeatureDocument, FeatureFile, FeatureManifest
from llm_engineering.domain.ports.data import Dataset


class FeatureWriter(Protocol):
    """Takes the files of one export. Nobody can read it before `seal`.

    Raises:
        BackendError: the disk is full, or the place cannot be written.
    """

    def write_documents(self, source: str, rows: Iterable[FeatureDocument]) -> FeatureFile:
        """Write the documents of a source, in the order in which they come."""
        ...

    def write_chunks(self, source: str, rows: Iterable[FeatureChunk], dimension: int) -> FeatureFile:
        """Write the chunks of a source, whose vectors have `dimension` components."""
        ...

    def seal(self, manifest: FeatureManifest) -> None:
        """Make the export readable: all or nothing."""
        ...


class FeatureVersion(Protocol):
    """An export, opened: source by source, documents by id, and chunks by document and position."""

    @property
    def manifest(self) -> FeatureManifest: ...

    @property
    def documents(self) -> Dataset[FeatureDocument]: ...

    @property
    def chunks(self) -> Dataset[FeatureChunk]: ...

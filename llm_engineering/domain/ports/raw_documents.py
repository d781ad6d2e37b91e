"""Where documents of the warehouse are exported to."""

from collections.abc import Iterable
from typing import Protocol

from llm_engineering.domain.features import FeatureFile
from llm_engineering.domain.raw_documents import DocumentManifest, RawDocument


class DocumentWriter(Protocol):
    """Takes the files of one export of documents. Nobody can read it before `seal`.

    Raises:
        BackendError: the disk is full, or the place cannot be written.
    """

    def write_raw(self, source: str, rows: Iterable[RawDocument]) -> FeatureFile:
        """Write the documents of a source, in the order in which they come."""
        ...

    def seal(self, manifest: DocumentManifest) -> None:
        """Make the export readable: all or nothing."""
        ...

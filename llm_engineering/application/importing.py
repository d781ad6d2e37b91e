"""Build an index version from an export, without any model: its features are there already.

Everything is checked before anything is written: ids, hashes and digests are computed again from the rows.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from math import hypot, isfinite
from typing import Generic, TypeVar

from llm_engineering.application import loading, planning, verification
from llm_engineering.domain.chunks import Chunk, ChunkTokens, ChunkVector, point_digest
from llm_engineering.domain.counting import counted
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.erasure import Forgotten
from llm_engineering.domain.errors import GateFailed, UsageError
from llm_engineering.domain.features import FeatureChunk, FeatureDocument
from llm_engineering.domain.index_reports import VerifyReport
from llm_engineering.domain.indexes import IndexManifest, Plan
from llm_engineering.domain.ports import Dataset, FeatureVersion, Progress, VectorIndex, VectorStore, Warehouse
from llm_engineering.domain.reports import LoadReport

T = TypeVar("T")
U = TypeVar("U")

BATCH = 500


def check(export: FeatureVersion, progress: Progress) -> None:
    """Prove that each row is what its ids, hashes and digests say, and that every chunk has its document.

    Raises:
        UsageError: one is not; the message names the row.
    """
    documents: set[str] = set()
    for document in progress(export.documents, "check", total=len(export.documents), unit="doc"):
        made = document.document
        if (made.id, made.content_hash) != (document.id, document.content_hash) or document.id in documents:
            raise _not_itself(export, "document", document.uri)
        documents.add(document.id)
    for row in progress(export.chunks, "check", total=len(export.chunks), unit="chunk"):
        if not _is_itself(row):
            raise _not_itself(export, "chunk", row.uri)
        if row.document_id not in documents:
            raise UsageError(f"chunk {row.id} of {row.uri} belongs to a document that is not in {export.manifest.id}")


def refuse_forgotten(warehouse: Warehouse, export: FeatureVersion) -> None:
    """Refuse an export that would bring back what was forgotten.

    Raises:
        UsageError: it holds such documents; nothing was written.
    """
    forgotten = Forgotten(warehouse.forgotten())
    hidden = sum(forgotten.hides(row.document) for row in export.documents) if forgotten else 0
    if hidden:
        raise UsageError(
            f"{export.manifest.id} holds {counted(hidden, 'forgotten document')} (tools.forget), which must not come "
            "back; remove it, and export the version again from the index as it is now"
        )


def _is_itself(row: FeatureChunk) -> bool:
    """Return whether a chunk has the id and the hashes that it is named by, and a vector that can be searched."""
    chunk = row.chunk
    try:
        names = (chunk.id, chunk.text_hash, point_digest(row.point))
    except UnicodeEncodeError:  # half a character: cleaning leaves none
        return False
    length = hypot(*row.vector)
    return names == (row.id, row.text_hash, row.digest) and isfinite(length) and length > 0


def put_documents(warehouse: Warehouse, export: FeatureVersion, run: int) -> int:
    """Store the documents that the warehouse does not have, and return how many those were.

    Raises:
        UsageError: the warehouse has other texts under the same URIs; nothing was written.
    """
    known = {key: held for source in _sources(export) for key, held in warehouse.states(source).items()}
    differing = [row.uri for row in export.documents if known.get(row.id, row.content_hash) != row.content_hash]
    if differing:
        raise UsageError(
            f"the warehouse has {counted(len(differing), 'document')} with another content than {export.manifest.id}, "
            f"the first is {differing[0]}; import into a home of its own (LLM_ENGINEERING_HOME)"
        )
    missing = 0
    for batch in _batches(row.document for row in export.documents if row.id not in known):
        warehouse.put(batch, run)
        missing += len(batch)
    return missing


def load(
    warehouse: Warehouse, store: VectorStore, export: FeatureVersion, collection: str, run: int, progress: Progress
) -> tuple[Plan, LoadReport, VerifyReport]:
    """Write the index version and verify it, point by point; it is not published yet.

    Raises:
        UsageError: the collection has a version with these settings and other documents.
        GateFailed: what was written is not what the export holds.
    """
    manifest = warehouse.register_index(collection, export.manifest.index, run, taken=store.versions().keys())
    plan = Plan(run=run, collection=collection, manifest=manifest, new=len(export.documents), activates=True)

    def written(index: VectorIndex) -> tuple[LoadReport, VerifyReport]:
        planning.reconcile(warehouse, index, collection)
        _refuse_others(warehouse, export, collection, manifest)
        _keep_vectors(warehouse, export)
        report = loading.load(plan, _features(warehouse, export), index, warehouse, progress)
        return report, verification.examine(warehouse, index, collection, deep=True).report()

    report, verified = verification.with_writer(store, manifest, written)
    if not verified.ready or verified.chunks != len(export.chunks):
        raise GateFailed(
            f"index {collection} {manifest.version} does not hold what {export.manifest.id} does: "
            f"{'; '.join(map(str, verified.problems)) or f'{verified.chunks} of {len(export.chunks)} chunks'}. "
            "What was active stays active",
            verified,
        )
    return plan, report, verified


def _refuse_others(warehouse: Warehouse, export: FeatureVersion, collection: str, manifest: IndexManifest) -> None:
    """Refuse to mix: the version may hold what an earlier import of this export left, and nothing else."""
    ours = {row.id: row.content_hash for row in export.documents}
    others = [
        state.document_id
        for state in warehouse.indexed(collection, manifest.version)
        if ours.get(state.document_id) is None or state.content_hash not in ("", ours[state.document_id])
    ]
    if others:
        raise UsageError(
            f"collection {collection!r} has version {manifest.version} with the same settings and {len(others)} "
            f"documents that are not as in {export.manifest.id}; import it under another name: --collection NAME"
        )


def _keep_vectors(warehouse: Warehouse, export: FeatureVersion) -> None:
    for batch in _batches(export.chunks):
        warehouse.put_vectors(export.manifest.model.digest, {row.text_hash: row.vector for row in batch})


@dataclass(frozen=True)
class _Mapped(Generic[T, U]):
    """A data set whose rows are made from those of another one, in batches."""

    rows: Dataset[T]
    make: Callable[[list[T]], Iterable[U]]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[U]:
        return (made for batch in _batches(self.rows) for made in self.make(batch))


def _features(warehouse: Warehouse, export: FeatureVersion) -> loading.Features:
    """Return the export as the data sets that a run would have made."""
    model = export.manifest.model.digest

    def vectors(rows: list[FeatureChunk]) -> Iterator[ChunkVector]:
        # Where the warehouse had a vector of its own for a text, that one counts, here as everywhere.
        kept = warehouse.vectors(model, {row.text_hash for row in rows})
        return (ChunkVector(row.id, kept[row.text_hash], reused=True) for row in rows)

    return loading.Features(
        _Mapped[FeatureDocument, CleanedDocument](export.documents, lambda rows: map(_cleaned, rows)),
        _Mapped[FeatureChunk, Chunk](export.chunks, lambda rows: (row.chunk for row in rows)),
        _Mapped[FeatureChunk, ChunkTokens](export.chunks, lambda rows: map(_tokens, rows)),
        _Mapped[FeatureChunk, ChunkVector](export.chunks, vectors),
    )


def _cleaned(row: FeatureDocument) -> CleanedDocument:
    """Return the document as `loading` wants it: only its id and content hash count there."""
    return CleanedDocument(row.id, row.uri, row.source_name, row.format, "", row.title, row.content_hash, row.metadata)


def _tokens(row: FeatureChunk) -> ChunkTokens:
    return ChunkTokens(row.id, (), (), (), row.sparse)


def _sources(export: FeatureVersion) -> list[str]:
    return sorted({file.source for file in export.manifest.files})


def _batches(rows: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def _not_itself(export: FeatureVersion, what: str, uri: str) -> UsageError:
    return UsageError(
        f"a {what} of {uri} in {export.manifest.id} does not have the id or the hash that it is named by: the "
        "export was not made by this project, or was changed. Export it again"
    )

"""Export an index version: its documents as they were indexed, its chunks with all their features.

Every row is proved against the ledger on its way. What is damaged is not exported, because an export has no ledger to
mend it from.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import cast

from llm_engineering.domain.chunks import Point, point_digest
from llm_engineering.domain.documents import Metadata
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.features import FeatureChunk, FeatureDocument, FeatureFile, FeatureManifest
from llm_engineering.domain.indexes import IndexedChunk, IndexRecord
from llm_engineering.domain.ports import FeatureWriter, Progress, VectorIndex, Warehouse

# Whole documents are read together until they hold this many chunks; a larger document is read alone.
CHUNKS_AT_ONCE = 1_000
# Documents whose ledger is read in one go.
DOCUMENTS_AT_ONCE = 500


def export(
    warehouse: Warehouse,
    index: VectorIndex,
    record: IndexRecord,
    collection: str,
    writer: FeatureWriter,
    progress: Progress,
) -> FeatureManifest:
    """Write an index version to files and return its manifest.

    Args:
        warehouse: Where documents, ledger and vectors are.
        index: The opened version; nothing is written to it.
        record: The version as the warehouse knows it.
        collection: The collection that the version belongs to.
        writer: Takes the files.
        progress: Shows how far it is.

    Raises:
        BackendError: the ledger does not fit warehouse or store.
    """
    version = record.manifest.version
    files: list[FeatureFile] = []
    for source in progress(warehouse.indexed_sources(collection, version), "export", unit="source"):
        ids: list[str] = []
        documents = _noting(warehouse.indexed_documents(collection, version, source), ids)
        files.append(writer.write_documents(source, documents))
        chunks = (
            row for some in _batches(warehouse, collection, version, ids) for row in _rows(some, warehouse, index)
        )
        files.append(writer.write_chunks(source, chunks, record.manifest.model.dimension))
    manifest = _manifest(record, collection, files)
    if (manifest.documents, manifest.chunks) != (record.documents, record.chunks):
        raise _damaged(
            index,
            f"the ledger counts {record.documents} documents and {record.chunks} chunks, "
            f"and {manifest.documents} and {manifest.chunks} are there",
        )
    writer.seal(manifest)
    return manifest


def _manifest(record: IndexRecord, collection: str, files: Sequence[FeatureFile]) -> FeatureManifest:
    index = record.manifest
    return FeatureManifest(
        collection=collection,
        version=index.version,
        fingerprint=index.fingerprint,
        model=index.model,
        payload_indexes=index.payload_indexes,
        settings=index.settings,
        documents=sum(file.count for file in files if file.rows == "documents"),
        chunks=sum(file.count for file in files if file.rows == "chunks"),
        run=record.run,
        created=record.created_at,
        files=tuple(files),
    ).sealed()


def _noting(rows: Iterable[FeatureDocument], ids: list[str]) -> Iterator[FeatureDocument]:
    """Yield the documents and keep their ids: the texts do not stay in memory."""
    for row in rows:
        ids.append(row.id)
        yield row


def _batches(warehouse: Warehouse, collection: str, version: str, ids: Sequence[str]) -> Iterator[list[IndexedChunk]]:
    """Yield the chunks of the ledger in batches of whole documents, in ascending order of document id."""
    batch: list[IndexedChunk] = []
    for start in range(0, len(ids), DOCUMENTS_AT_ONCE):
        known = warehouse.indexed_chunks(collection, version, ids[start : start + DOCUMENTS_AT_ONCE])
        for _, chunks in groupby(known, key=lambda chunk: chunk.document_id):
            batch.extend(chunks)
            if len(batch) >= CHUNKS_AT_ONCE:
                yield batch
                batch = []
    if batch:
        yield batch


def _rows(batch: Sequence[IndexedChunk], warehouse: Warehouse, index: VectorIndex) -> list[FeatureChunk]:
    """Return the chunks of some documents with their features, by document and position."""
    points = index.get([chunk.chunk_id for chunk in batch])
    vectors = warehouse.vectors(index.manifest.model.digest, {chunk.text_hash for chunk in batch})
    rows = []
    for chunk in batch:
        if chunk.chunk_id not in points or chunk.text_hash not in vectors:
            raise _damaged(index, f"chunk {chunk.chunk_id} has no {'vector' if chunk.chunk_id in points else 'point'}")
        # The vector as the model gave it: stores scale theirs, which changes the last bits.
        stored = points[chunk.chunk_id]
        row = _row(Point(stored.id, vectors[chunk.text_hash], stored.sparse, stored.payload), chunk)
        if point_digest(row.point) != chunk.digest or row.chunk.text_hash != chunk.text_hash:
            raise _damaged(index, f"point {chunk.chunk_id} is not what was written")
        rows.append(row)
    return sorted(rows, key=lambda row: (row.document_id, row.position, row.id))


def _row(point: Point, chunk: IndexedChunk) -> FeatureChunk:
    payload = point.payload
    return FeatureChunk(
        id=point.id,
        document_id=chunk.document_id,
        source_name=str(payload.get("source", "")),
        uri=str(payload.get("uri", "")),
        title=str(payload.get("title", "")),
        position=cast("int", payload.get("position", 0)),
        start=cast("int", payload.get("start", 0)),
        end=cast("int", payload.get("end", 0)),
        text=str(payload.get("text", "")),
        context=str(payload.get("context", "")),
        tokens=cast("int", payload.get("tokens", 0)),
        text_hash=chunk.text_hash,
        digest=chunk.digest,
        sparse=point.sparse,
        vector=point.dense,
        metadata=cast("Metadata", payload.get("metadata") or {}),
    )


def _damaged(index: VectorIndex, what: str) -> BackendError:
    return BackendError(
        f"index version {index.manifest.version} is damaged: {what}. "
        "`python -m tools.index repair` mends it; then export again"
    )

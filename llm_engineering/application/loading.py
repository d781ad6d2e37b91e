"""Write features into an index version, document by document, so that a kill at any moment does no harm."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from llm_engineering.application.attempts import CHUNKER
from llm_engineering.domain import failpoints
from llm_engineering.domain.chunks import Chunk, ChunkTokens, ChunkVector, Point, point_digest
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.incidents import Incident
from llm_engineering.domain.indexes import DocumentState, IndexedChunk, Plan
from llm_engineering.domain.ports import Dataset, Progress, VectorIndex, Warehouse
from llm_engineering.domain.reports import LoadReport
from llm_engineering.domain.secrets import redact

# Whole documents are committed together until they hold this many points: one flush and one transaction for many small
# documents, and never half a document.
POINTS_PER_COMMIT = 1024
# A report lists so many rejections at most.
_MOST_LISTED = 1000


@dataclass
class Features:
    """The three data sets of a run, row by row about the same chunks, and the documents they were made from."""

    documents: Dataset[CleanedDocument]
    chunks: Dataset[Chunk]
    tokens: Dataset[ChunkTokens]
    vectors: Dataset[ChunkVector]
    broken: Mapping[str, str] = field(default_factory=dict)  # documents that could not be cut, and why


def load(plan: Plan, features: Features, index: VectorIndex, warehouse: Warehouse, progress: Progress) -> LoadReport:
    """Write the features of the planned documents and remove what is gone.

    The order is what makes a kill harmless: write the new points, commit the ledger, delete the points that the
    documents had before. What failed in cleaning or chunking is passed over: the version that the index has of it
    stays, and the next run tries again.

    Raises:
        BackendError: the data sets do not belong together, or store or warehouse failed.
    """
    tally = _Tally()
    rows = _documents(features, tally)
    commit: list[_Loaded] = []
    for loaded in progress(rows, "load", total=len(features.documents), unit="doc"):
        commit.append(loaded)
        if sum(len(document.points) for document in commit) >= POINTS_PER_COMMIT:
            _commit(commit, plan, index, warehouse, tally)
            commit = []
    _commit(commit, plan, index, warehouse, tally)
    _remove(plan, index, warehouse, tally)
    return LoadReport(
        chunks=len(features.chunks),
        embedded=tally.embedded,
        reused=tally.reused,
        written=tally.written,
        removed=tally.removed,
        rejected=tally.rejected,
        rejections=tuple(tally.rejections),
        languages=dict(tally.languages),
        pii=dict(tally.pii),
    )


@dataclass
class _Tally:
    embedded: int = 0
    reused: int = 0
    written: int = 0
    removed: int = 0
    rejected: int = 0
    rejections: list[Incident] = field(default_factory=list)
    languages: Counter[str] = field(default_factory=Counter)
    pii: Counter[str] = field(default_factory=Counter)

    def note(self, document: CleanedDocument, broken: str = "") -> None:
        """Count what cleaning found in a document, and for which reason it could not be cut."""
        outcome = {**document.outcome, "rejected": CHUNKER, "detail": broken} if broken else document.outcome
        if "language" in outcome:
            self.languages[str(outcome["language"])] += 1
        for key, count in outcome.items():
            if key.startswith("pii."):
                self.pii[key.removeprefix("pii.")] += int(count)
        if "rejected" in outcome:
            self.rejected += 1
            if len(self.rejections) < _MOST_LISTED:
                reason, detail = str(outcome["rejected"]), redact(str(outcome.get("detail", "")))
                self.rejections.append(
                    Incident(uri=redact(document.uri), source=redact(document.source), reason=reason, detail=detail)
                )


@dataclass
class _Loaded:
    state: DocumentState
    points: list[Point] = field(default_factory=list)
    chunks: list[IndexedChunk] = field(default_factory=list)


def _documents(features: Features, tally: _Tally) -> Iterator[_Loaded]:
    """Join documents with the points of their chunks. Documents and chunks come in the same order."""
    points = _points(features, tally)
    pending = next(points, None)
    for document in features.documents:
        broken = features.broken.get(document.id, "")
        tally.note(document, broken)
        if broken or document.outcome.get("failed"):
            continue
        loaded = _Loaded(DocumentState(document.id, document.content_hash))
        while pending is not None and pending[1].document_id == document.id:
            loaded.points.append(pending[0])
            loaded.chunks.append(pending[1])
            pending = next(points, None)
        yield loaded
    if pending is not None:
        chunk = pending[1]
        raise BackendError(f"chunk {chunk.chunk_id} belongs to document {chunk.document_id}, which is not there")


def _points(features: Features, tally: _Tally) -> Iterator[tuple[Point, IndexedChunk]]:
    """Join the three data sets, row by row, into points with what the ledger will know of them."""
    for chunk, tokens, vector in zip(features.chunks, features.tokens, features.vectors, strict=True):
        chunk_id = chunk.id
        if not chunk_id == tokens.chunk_id == vector.chunk_id:
            raise BackendError(
                f"features do not match: chunk {chunk_id}, tokens {tokens.chunk_id}, vector {vector.chunk_id}"
            )
        tally.reused += vector.reused
        tally.embedded += not vector.reused
        point = Point(chunk_id, vector.vector, tokens.sparse, chunk.payload)
        yield point, IndexedChunk(chunk.document_id, chunk_id, chunk.text_hash, point_digest(point))


def _commit(documents: Sequence[_Loaded], plan: Plan, index: VectorIndex, warehouse: Warehouse, tally: _Tally) -> None:
    if not documents:
        return
    version = plan.manifest.version
    ids = [document.state.document_id for document in documents]
    before = {chunk.chunk_id: chunk.digest for chunk in warehouse.indexed_chunks(plan.collection, version, ids)}
    digests = {chunk.chunk_id: chunk.digest for document in documents for chunk in document.chunks}
    points = [point for document in documents for point in document.points if before.get(point.id) != digests[point.id]]
    warehouse.beat(plan.run)
    _write(index, points)
    warehouse.record_indexed(
        plan.collection, version, [(document.state, document.chunks) for document in documents], plan.run
    )
    stale = before.keys() - digests.keys()
    failpoints.reach("load.after_ledger")
    _delete(index, stale)
    failpoints.reach("load.after_commit")
    tally.written += len(points)
    tally.removed += len(stale)


def _remove(plan: Plan, index: VectorIndex, warehouse: Warehouse, tally: _Tally) -> None:
    """Remove the documents that the warehouse no longer has. Points go first: a kill in between is planned again."""
    if not plan.removed:
        return
    version = plan.manifest.version
    points = {chunk.chunk_id for chunk in warehouse.indexed_chunks(plan.collection, version, plan.removed)}
    warehouse.beat(plan.run)
    _delete(index, points)
    failpoints.reach("load.before_forget")
    warehouse.forget_indexed(plan.collection, version, plan.removed, plan.run)
    failpoints.reach("load.after_forget")
    tally.removed += len(points)


def _write(index: VectorIndex, points: Sequence[Point]) -> None:
    if points:
        failpoints.reach("load.before_upsert")
        index.upsert(points)
        failpoints.reach("load.after_upsert")
        index.flush()
        failpoints.reach("load.after_flush")


def _delete(index: VectorIndex, ids: Collection[str]) -> None:
    if ids:
        index.delete(ids)
        failpoints.reach("load.after_delete")
        index.flush()

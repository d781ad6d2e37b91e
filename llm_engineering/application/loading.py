"""Write features into an index version, document by document, and prove afterwards that nothing is missing."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from llm_engineering.domain.chunks import Chunk, ChunkTokens, ChunkVector, Point
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.indexes import DocumentState, Plan
from llm_engineering.domain.ports import Dataset, Progress, VectorIndex, Warehouse
from llm_engineering.domain.reports import LoadReport, VerifyReport

# Whole documents are committed together until they hold this many points: one flush and one transaction for many small
# documents, and never half a document.
POINTS_PER_COMMIT = 1024


@dataclass
class Features:
    """The three data sets of a run, row by row about the same chunks, and the documents they were made from."""

    documents: Dataset[CleanedDocument]
    chunks: Dataset[Chunk]
    tokens: Dataset[ChunkTokens]
    vectors: Dataset[ChunkVector]


def load(plan: Plan, features: Features, index: VectorIndex, warehouse: Warehouse, progress: Progress) -> LoadReport:
    """Write the features of the planned documents and remove what is gone.

    The order is what makes a kill harmless: write the new points, commit the ledger, delete the points that the
    documents had before.

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
    )


@dataclass
class _Tally:
    embedded: int = 0
    reused: int = 0
    written: int = 0
    removed: int = 0


@dataclass
class _Loaded:
    state: DocumentState
    points: list[Point] = field(default_factory=list)


def _documents(features: Features, tally: _Tally) -> Iterator[_Loaded]:
    """Join documents with the points of their chunks. Documents and chunks come in the same order."""
    points = _points(features, tally)
    pending = next(points, None)
    for document in features.documents:
        loaded = _Loaded(DocumentState(document.id, document.content_hash))
        while pending is not None and pending.payload["document_id"] == document.id:
            loaded.points.append(pending)
            pending = next(points, None)
        yield loaded
    if pending is not None:
        raise BackendError(
            f"chunk {pending.id} belongs to document {pending.payload['document_id']}, which is not there"
        )


def _points(features: Features, tally: _Tally) -> Iterator[Point]:
    for chunk, tokens, vector in zip(features.chunks, features.tokens, features.vectors, strict=True):
        chunk_id = chunk.id
        if not chunk_id == tokens.chunk_id == vector.chunk_id:
            raise BackendError(
                f"features do not match: chunk {chunk_id}, tokens {tokens.chunk_id}, vector {vector.chunk_id}"
            )
        tally.reused += vector.reused
        tally.embedded += not vector.reused
        yield Point(chunk_id, vector.vector, tokens.sparse, _payload(chunk))


def _payload(chunk: Chunk) -> dict[str, object]:
    """Return what a hit needs to be shown, cited and filtered, in plain JSON types."""
    return {
        "document_id": chunk.document_id,
        "uri": chunk.uri,
        "source": chunk.source,
        "title": chunk.title,
        "position": chunk.position,
        "start": chunk.start,
        "end": chunk.end,
        "text": chunk.text,
        "context": chunk.context,
        "tokens": chunk.tokens,
        "metadata": dict(chunk.metadata),
    }


def _commit(documents: Sequence[_Loaded], plan: Plan, index: VectorIndex, warehouse: Warehouse, tally: _Tally) -> None:
    if not documents:
        return
    version = plan.manifest.version
    points = [point for document in documents for point in document.points]
    before = set(
        warehouse.indexed_chunks(plan.collection, version, [document.state.document_id for document in documents])
    )
    index.upsert(points)
    index.flush()
    entries = [(document.state, [point.id for point in document.points]) for document in documents]
    warehouse.record_indexed(plan.collection, version, entries, plan.run)
    stale = before - {point.id for point in points}
    index.delete(stale)
    index.flush()
    tally.written += len(points)
    tally.removed += len(stale)


def _remove(plan: Plan, index: VectorIndex, warehouse: Warehouse, tally: _Tally) -> None:
    """Remove the documents that the warehouse no longer has. Points go first: a kill in between is planned again."""
    if not plan.removed:
        return
    version = plan.manifest.version
    points = set(warehouse.indexed_chunks(plan.collection, version, plan.removed))
    index.delete(points)
    index.flush()
    warehouse.forget_indexed(plan.collection, version, plan.removed)
    tally.removed += len(points)


def verify(plan: Plan, index: VectorIndex, warehouse: Warehouse) -> VerifyReport:
    """Compare the ledger with the store: same points, payload indexes there, a point found by its own vector."""
    version = plan.manifest.version
    documents = sum(1 for _ in warehouse.indexed(plan.collection, version))
    known = set(warehouse.indexed_chunks(plan.collection, version))
    stored = set(index.ids())
    fields = sorted(index.payload_indexes())
    searchable = _finds_its_own(index, stored)
    problems = [
        *_some("points are missing from the store", known - stored),
        *_some("points in the store belong to no document", stored - known),
        *_some("payload indexes are missing", set(plan.manifest.payload_indexes) - set(fields)),
        *(() if searchable else ("a point is not found by its own vector",)),
    ]
    return VerifyReport(
        documents=documents,
        chunks=len(known),
        points=index.count(),
        payload_indexes=tuple(fields),
        searchable=searchable,
        problems=tuple(problems),
    )


def _finds_its_own(index: VectorIndex, ids: Iterable[str]) -> bool:
    """Ask the index for the nearest point of a stored vector; an empty index has nothing to be found."""
    some = next(iter(ids), None)
    if some is None:
        return True
    point = index.get([some])[some]
    best = index.search_dense(point.dense, 1)
    # Another point may hold the very same vector, so the score decides, not the id. 0.99 leaves room for rounding.
    return bool(best) and best[0].score > 0.99


def _some(what: str, ids: set[str]) -> Iterator[str]:
    if ids:
        examples = ", ".join(sorted(ids)[:3])
        yield f"{len(ids)} {what}: {examples}{' …' if len(ids) > 3 else ''}"

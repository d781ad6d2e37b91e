"""Compare what a ledger says an index holds with what the store really holds, and mend the difference.

The ledger is never believed without the store, nor the store without the ledger. `examine` finds what is wrong,
`mend` removes what is wrong from both, so that the next plan sees it as missing and loads exactly that again.
"""

import gc
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import numpy as np
from loguru import logger
from numpy.typing import NDArray

from llm_engineering.application.packed_ledger import Ids, Known, Ledger, absent, merged, packed, unpacked
from llm_engineering.domain import failpoints
from llm_engineering.domain.chunks import Point, Vector, point_digest
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.index_reports import Problem, VerifyReport
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.ports import VectorIndex, VectorStore, Warehouse

Matrix = NDArray[np.float32]
T = TypeVar("T")

# Points are compared in batches of this many.
BATCH = 500
# Stores scale vectors to length 1, which changes their last bits; other models' vectors are far from this.
SAME_VECTOR = 0.9999
# A vector whose squared length is 1 but for so much is of length 1 to every store, whatever it rounds.
UNIT = 5e-7


@dataclass
class Findings:
    """What is wrong with an index version, by what it takes to mend it. All are ids, except the names of fields."""

    foreign: set[str] = field(default_factory=set)  # points that no document owns
    missing: set[str] = field(default_factory=set)  # points that the ledger has and the store has not
    stale: set[str] = field(default_factory=set)  # points whose payload or sparse vector is not what was written
    misplaced: set[str] = field(default_factory=set)  # points whose vector is not that of their text and model
    lost: set[str] = field(default_factory=set)  # documents some of whose chunks the ledger lost
    unindexed: set[str] = field(default_factory=set)  # documents that the warehouse has and the index has not, or older
    leftover: set[str] = field(default_factory=set)  # documents that the index has and the warehouse has not
    fields: set[str] = field(default_factory=set)  # payload fields whose index is missing
    unfindable: set[str] = field(default_factory=set)  # a point that is not found by its own vector
    documents: int = 0
    chunks: int = 0
    points: int = 0
    payload_indexes: tuple[str, ...] = ()

    @property
    def distrusted(self) -> set[str]:
        """The chunks that have to be written again."""
        return self.missing | self.stale | self.misplaced

    def report(self) -> VerifyReport:
        """Return the findings for people and programs."""
        kinds = {
            "missing_points": ("points are missing from the store", self.missing),
            "foreign_points": ("points in the store belong to no document", self.foreign),
            "stale_payloads": ("points do not have the payload that was written", self.stale),
            "wrong_vectors": ("points do not have the vector of their text and model", self.misplaced),
            "lost_ledger_rows": ("documents have lost chunks in the ledger", self.lost),
            "unindexed_documents": ("documents of the warehouse are not in the index as they are now", self.unindexed),
            "leftover_documents": ("documents in the index are no longer in the warehouse", self.leftover),
            "missing_payload_indexes": ("payload indexes are missing", self.fields),
            "not_searchable": ("points are not found by their own vector", self.unfindable),
        }
        return VerifyReport(
            documents=self.documents,
            chunks=self.chunks,
            points=self.points,
            payload_indexes=self.payload_indexes,
            searchable=not self.unfindable,
            problems=tuple(_problem(kind, what, ids) for kind, (what, ids) in kinds.items() if ids),
        )


def with_writer(store: VectorStore, manifest: IndexManifest, work: Callable[[VectorIndex], T]) -> T:
    """Open an index version for writing and work on it; begin anew once if it turns out that it cannot be read.

    A store that finds its files broken at work makes an empty version of them when it is opened again, and the ledger
    is then corrected by that.

    Raises:
        BackendError: it failed for another reason, or again.
    """
    try:
        with store.write(manifest) as index:
            return work(index)
    except BackendError as error:
        if error.transient:
            raise
        logger.warning("{}; opening it again", error)
    with store.write(manifest) as index:
        return work(index)


def examine(warehouse: Warehouse, index: VectorIndex, collection: str, *, deep: bool) -> Findings:
    """Compare the ledger of an index version with its store.

    Args:
        warehouse: Where the ledger and the vectors are.
        index: The opened version; nothing is written to it.
        collection: The collection that the version belongs to.
        deep: Compare payloads and vectors too. Otherwise ids, payload indexes and one search.

    Raises:
        BackendError: warehouse or store failed.
    """
    manifest = index.manifest
    findings = Findings(payload_indexes=tuple(sorted(index.payload_indexes())))
    for state in warehouse.indexed(collection, manifest.version):
        findings.documents += 1
        if not state.content_hash:
            findings.lost.add(state.document_id)
    known = Ledger(warehouse.indexed_chunks(collection, manifest.version))
    findings.chunks = len(known.ids)
    with _collector_paused():
        stored = _compare(index, known, warehouse, findings) if deep else packed(index.ids())
    findings.points = len(stored)
    findings.foreign = unpacked(absent(stored, known.ids))
    findings.missing = unpacked(absent(known.ids, stored))
    if len(stored):  # the indexes of an empty version come with its first points
        findings.fields = set(manifest.payload_indexes) - set(findings.payload_indexes)
    sound = (name for name in map(bytes.decode, stored) if name not in findings.misplaced)
    findings.unfindable = _unfindable(index, next(sound, None))
    return findings


def compare_with_warehouse(
    findings: Findings,
    warehouse: Warehouse,
    manifest: IndexManifest,
    collection: str,
    sources: Collection[str] | None,
    left_out: Callable[[Mapping[str, str]], Collection[str]] = lambda _: (),
) -> None:
    """Add to the findings where the ledger differs from the documents that the index is to hold.

    `left_out` names those of the live documents (id → content hash) that it is not to hold.
    """
    wanted = {state.document_id: state.content_hash for state in warehouse.live(sources)}
    for key in left_out(wanted):
        wanted.pop(key, None)
    held = {state.document_id: state.content_hash for state in warehouse.indexed(collection, manifest.version)}
    findings.unindexed = {key for key, content in wanted.items() if held.get(key) not in ("", content)}
    findings.leftover = held.keys() - wanted.keys()


def mend(findings: Findings, warehouse: Warehouse, index: VectorIndex, collection: str, run: int = 0) -> None:
    """Remove what is wrong from ledger and store; what is missing then is what the next plan loads."""
    if findings.distrusted:
        warehouse.distrust(collection, index.manifest.version, findings.distrusted, run)
    failpoints.reach("mend.after_ledger")
    if findings.foreign:
        index.delete(findings.foreign)
    failpoints.reach("mend.after_delete")
    if findings.foreign or findings.fields or index.interrupted:
        index.flush()  # it makes the payload indexes, too


def _compare(index: VectorIndex, known: Ledger, warehouse: Warehouse, findings: Findings) -> Ids:
    """Compare each point with the ledger and with the vector of its text; return the ids of all points."""
    stored: list[Ids] = []
    points = index.scan()
    while batch := list(islice(points, BATCH)):
        stored.append(packed(point.id for point in batch))
        mine = [(point, chunk) for point, chunk in zip(batch, known.chunks(batch), strict=True) if chunk]
        findings.stale |= {point.id for point, chunk in mine if point_digest(point) != chunk.digest}
        findings.misplaced |= _misplaced(mine, warehouse, index)
    return merged(stored)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the collector of cycles away: points have none, and it goes through all that is known again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _misplaced(points: Sequence[tuple[Point, Known]], warehouse: Warehouse, index: VectorIndex) -> set[str]:
    """Return the points whose vector is not the one that the warehouse keeps for their text."""
    vectors = warehouse.vectors(index.manifest.model.digest, {chunk.text_hash for _, chunk in points})
    pairs = [(point.id, point.dense, vectors[chunk.text_hash]) for point, chunk in points if chunk.text_hash in vectors]
    unknown = {point.id for point, chunk in points if chunk.text_hash not in vectors}
    same_length = [pair for pair in pairs if len(pair[1]) == len(pair[2])]
    wrong = {name for name, stored, kept in pairs if len(stored) != len(kept)}
    if same_length:
        stored = _matrix([vector for _, vector, _ in same_length])
        kept = _matrix([vector for _, _, vector in same_length])
        other = (stored.view(np.uint32) != kept.view(np.uint32)).any(axis=1)
        # Written so that a cosine that is no number counts as wrong.
        other &= ~(_cosines(stored, kept) >= SAME_VECTOR) | (_of_length_1(kept) if index.bitwise else False)
        wrong |= {same_length[row][0] for row in np.flatnonzero(other)}
    return wrong | unknown


def _matrix(vectors: Sequence[Vector]) -> Matrix:
    """Return n vectors of d components as one array: (n, d)."""
    return np.frombuffer(b"".join(vectors), dtype=np.float32).reshape(len(vectors), -1)


def _cosines(left: Matrix, right: Matrix) -> NDArray[np.float32]:
    """Return the cosine of each pair: two arrays (n, d) → (n,)."""
    with np.errstate(all="ignore"):  # bits that flipped may have made a component of any size
        scaled: NDArray[np.float32] = np.einsum("nd,nd->n", left, right) / (
            np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        )
    return scaled


def _of_length_1(vectors: Matrix) -> NDArray[np.bool_]:
    """Return which of some vectors no store has to scale: (n, d) → (n,)."""
    lengths: NDArray[np.float64] = np.square(vectors, dtype=np.float64).sum(axis=1)
    return np.abs(lengths - 1.0) <= UNIT


def _unfindable(index: VectorIndex, some: str | None) -> set[str]:
    """Ask the index for the nearest point of a stored vector; an empty index has nothing to be found."""
    if some is None:
        return set()
    point = index.get([some])[some]
    best = index.search_dense(point.dense, 1)
    # Another point may hold the very same vector, so the score decides, not the id. 0.99 leaves room for rounding.
    return set() if best and best[0].score > 0.99 else {some}


def _problem(kind: str, what: str, ids: Collection[str], most: int = 5) -> Problem:
    return Problem(kind=kind, count=len(ids), what=what, examples=tuple(sorted(ids)[:most]))

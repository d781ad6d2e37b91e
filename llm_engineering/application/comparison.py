"""Compare two index versions: settings, documents, chunks.

Ledgers and exports come in ascending order of document id, so two of them are merged as they stream: memory holds one
document of each side, whatever their size.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Protocol, TypeVar

from llm_engineering.domain.differences import (
    ChunkDifferences,
    Difference,
    DocumentDifferences,
    SettingDifference,
)
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.indexes import DocumentState, IndexedChunk, IndexManifest
from llm_engineering.domain.ports import Warehouse

EXAMPLES = 10

L = TypeVar("L")
R = TypeVar("R")


class Side(Protocol):
    """One of the two versions that are compared. Both iterators ascend by document id."""

    @property
    def name(self) -> str: ...

    @property
    def manifest(self) -> IndexManifest: ...

    def documents(self) -> Iterator[DocumentState]: ...

    def chunks(self) -> Iterator[IndexedChunk]: ...

    def uris(self, document_ids: Collection[str]) -> Mapping[str, str]: ...


@dataclass(frozen=True)
class Ledger:
    """An index version as the warehouse's ledger knows it."""

    warehouse: Warehouse
    collection: str
    version: str

    @property
    def name(self) -> str:
        return f"{self.collection}/{self.version}"

    @property
    def manifest(self) -> IndexManifest:
        records = self.warehouse.index_records(self.collection)
        manifests = {record.manifest.version: record.manifest for _, record in records}
        if self.version not in manifests:
            there = ", ".join(manifests) or "none yet"
            raise UsageError(f"collection {self.collection!r} has no version {self.version!r}; there are: {there}")
        return manifests[self.version]

    def documents(self) -> Iterator[DocumentState]:
        return self.warehouse.indexed(self.collection, self.version)

    def chunks(self) -> Iterator[IndexedChunk]:
        return self.warehouse.indexed_chunks(self.collection, self.version)

    def uris(self, document_ids: Collection[str]) -> Mapping[str, str]:
        return self.warehouse.uris(document_ids)


def compare(warehouse: Warehouse, collection: str, left: str, right: str) -> Difference:
    """Compare two index versions of a collection by their ledgers.

    Raises:
        UsageError: there is no such version; the message names those that there are.
    """
    return compare_sides(Ledger(warehouse, collection, left), Ledger(warehouse, collection, right))


def compare_sides(left: Side, right: Side) -> Difference:
    """Compare two versions, wherever they are."""
    settings = _settings(left.manifest, right.manifest)
    return Difference(
        left=left.name,
        right=right.name,
        settings=settings,
        documents=_documents(left, right),
        chunks=_chunks(left, right),
    )


def _settings(left: IndexManifest, right: IndexManifest) -> tuple[SettingDifference, ...]:
    ours, theirs = _flat(left), _flat(right)
    return tuple(
        SettingDifference(key=key, left=ours.get(key), right=theirs.get(key))
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key)
    )


def _flat(manifest: IndexManifest) -> dict[str, object]:
    """Return what makes an index version what it is, by dotted keys."""
    parts = {**manifest.settings, "model": manifest.model.model_dump(), "payload_indexes": manifest.payload_indexes}
    return dict(_leaves("", parts))


def _leaves(prefix: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(f"{prefix}.{key}" if prefix else str(key), item)
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            yield from _leaves(f"{prefix}.{position}", item)
    else:
        yield prefix, value


@dataclass
class _Kind:
    """Documents of one kind: all are counted, the first ones are kept."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, document_id: str) -> None:
        self.count += 1
        if len(self.first) < EXAMPLES:
            self.first.append(document_id)


def _documents(left: Side, right: Side) -> DocumentDifferences:
    only_left, only_right, changed, same = _Kind(), _Kind(), _Kind(), _Kind()
    for key, ours, theirs in _merged(_hashes(left), _hashes(right)):
        if ours is None or theirs is None:
            (only_left if theirs is None else only_right).add(key)
        else:
            (same if ours == theirs else changed).add(key)
    # The side that has a document knows its URI.
    return DocumentDifferences(
        left=only_left.count + changed.count + same.count,
        right=only_right.count + changed.count + same.count,
        only_left=only_left.count,
        only_right=only_right.count,
        changed=changed.count,
        same=same.count,
        first_only_left=_named(left, only_left.first),
        first_only_right=_named(right, only_right.first),
        first_changed=_named(right, changed.first),
    )


def _chunks(left: Side, right: Side) -> ChunkDifferences:
    only_left = only_right = kept = 0
    for _, ours, theirs in _merged(_texts(left), _texts(right)):
        mine, yours = ours or Counter(), theirs or Counter()
        both = (mine & yours).total()
        kept += both
        only_left += mine.total() - both
        only_right += yours.total() - both
    return ChunkDifferences(
        left=only_left + kept, right=only_right + kept, only_left=only_left, only_right=only_right, kept=kept
    )


def _hashes(side: Side) -> Iterator[tuple[str, str]]:
    return ((state.document_id, state.content_hash) for state in side.documents())


def _texts(side: Side) -> Iterator[tuple[str, Counter[str]]]:
    """Yield (document id, text hashes of its chunks with their numbers)."""
    for key, chunks in groupby(side.chunks(), key=attrgetter("document_id")):
        yield key, Counter(chunk.text_hash for chunk in chunks)


def _named(side: Side, ids: Collection[str]) -> tuple[str, ...]:
    uris = side.uris(ids)
    return tuple(sorted(uris.get(key, key) for key in ids))


def _merged(left: Iterator[tuple[str, L]], right: Iterator[tuple[str, R]]) -> Iterator[tuple[str, L | None, R | None]]:
    """Join two ascending streams by key: (key, left's value or None, right's value or None)."""
    ours, theirs = next(left, None), next(right, None)
    while ours is not None or theirs is not None:
        if theirs is None or (ours is not None and ours[0] < theirs[0]):
            assert ours is not None  # noqa: S101 - one of the two is there
            yield ours[0], ours[1], None
            ours = next(left, None)
        elif ours is None or theirs[0] < ours[0]:
            yield theirs[0], None, theirs[1]
            theirs = next(right, None)
        else:
            yield ours[0], ours[1], theirs[1]
            ours, theirs = next(left, None), next(right, None)

"""An export as one side of a comparison: ids and hashes in ascending order of document id, across all sources."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from llm_engineering.domain.indexes import DocumentState, IndexedChunk, IndexManifest
from llm_engineering.infrastructure.parquet.feature_reading import FeatureDataset, Features, damage
from llm_engineering.infrastructure.warehouse.exact_text import original

_CHUNK = ["document_id", "id", "text_hash", "digest"]


class ExportedSide:
    """Only columns of ids and hashes are read, about 150 bytes a chunk; they are sorted in Arrow."""

    def __init__(self, features: Features) -> None:
        self._features = features

    @property
    def name(self) -> str:
        return self._features.manifest.id

    @property
    def manifest(self) -> IndexManifest:
        return self._features.manifest.index

    def documents(self) -> Iterator[DocumentState]:
        table = _columns(self._features.documents, ["id", "content_hash"])
        return (DocumentState(*row) for row in _rows(table, by=["id"]))

    def chunks(self) -> Iterator[IndexedChunk]:
        table = _columns(self._features.chunks, _CHUNK)
        return (IndexedChunk(*row) for row in _rows(table, by=["document_id", "id"]))

    def uris(self, document_ids: Collection[str]) -> Mapping[str, str]:
        wanted = pc.field("id").isin(pa.array(sorted(document_ids), pa.string()))
        rows = _columns(self._features.documents, ["id", "uri", "key"], wanted).to_pylist()
        return {row["id"]: original(f"{row['uri']}#{row['key']}" if row["key"] else row["uri"]) for row in rows}


def _columns(dataset: FeatureDataset[Any], names: list[str], filter: pc.Expression | None = None) -> pa.Table:
    with damage(dataset.folder):
        return dataset.arrow().to_table(columns=names, filter=filter)


def _rows(table: pa.Table, by: list[str]) -> Iterator[tuple[str, ...]]:
    ordered = table.sort_by([(name, "ascending") for name in by])
    for batch in ordered.to_batches(max_chunksize=5_000):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

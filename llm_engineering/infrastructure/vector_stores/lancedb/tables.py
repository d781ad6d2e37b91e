"""The tables of LanceDB: their columns, rows on their way in and out, sparse scores over their columns."""

from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from llm_engineering.domain.chunks import SparseVector
from llm_engineering.infrastructure.vector_stores.conditions.pairs import pairs, spelled
from llm_engineering.infrastructure.vector_stores.versioned.engine import Row
from llm_engineering.infrastructure.vector_stores.versioned.payloads import decoded
from llm_engineering.infrastructure.vector_stores.versioned.vectors import NO_DENSE, NO_SPARSE

RECORDS = pa.schema([pa.field("key", pa.string(), nullable=False), pa.field("value", pa.string(), nullable=False)])
PLAIN = ["key", "id", "first", "until", "payload"]
WHOLE = [*PLAIN, "terms", "values", "dense"]
FIELDS = b"fields"


def schema(dimension: int, fields: Sequence[str]) -> pa.Schema:
    """Return the columns of a version's table. No column may be empty, so a condition is never NULL."""
    kinds: dict[str, pa.DataType] = {
        "key": pa.string(),
        "id": pa.string(),
        "first": pa.int32(),
        "until": pa.int32(),
        "document": pa.string(),
        "pairs": pa.list_(pa.field("item", pa.string(), nullable=False)),
        "payload": pa.string(),
        "terms": pa.list_(pa.field("item", pa.int64(), nullable=False)),
        "values": pa.list_(pa.field("item", pa.float64(), nullable=False)),
        "dense": pa.list_(pa.field("item", pa.float32(), nullable=True), dimension),
    }
    columns = [pa.field(name, kind, nullable=False) for name, kind in kinds.items()]
    return pa.schema(columns, metadata={FIELDS: "\n".join(fields).encode()})


def table_of(rows: Sequence[Row], columns: pa.Schema) -> pa.Table:
    """Return rows as a table of these columns."""
    dense = np.concatenate([np.frombuffer(row.dense, dtype=np.float32) for row in rows])
    kind = columns.field("dense").type
    return pa.table(
        {
            "key": [row.key for row in rows],
            "id": [row.id for row in rows],
            "first": pa.array([row.first for row in rows], pa.int32()),
            "until": pa.array([row.until for row in rows], pa.int32()),
            "document": [spelled(row.fields["document_id"]) if "document_id" in row.fields else "" for row in rows],
            "pairs": pa.array([pairs(row.fields) for row in rows], columns.field("pairs").type),
            "payload": [row.text for row in rows],
            "terms": pa.array([row.sparse.indices for row in rows], columns.field("terms").type),
            "values": pa.array([row.sparse.values for row in rows], columns.field("values").type),
            "dense": pa.FixedSizeListArray.from_arrays(pa.array(dense), type=kind),
        },
        schema=columns,
    )


def rows_of(batch: pa.RecordBatch, *, vectors: bool) -> Iterator[Row]:
    """Yield the rows of a batch."""
    held = {name: batch.column(name).to_pylist() for name in (WHOLE if vectors else PLAIN) if name != "dense"}
    dense = _matrix(batch) if vectors else None
    for number, key in enumerate(held["key"]):
        first = held["first"][number]
        sparse = NO_SPARSE
        if vectors:
            sparse = SparseVector(tuple(held["terms"][number]), tuple(held["values"][number]))
        vector = NO_DENSE if dense is None else array("f", dense[number].tobytes())
        known = held["id"][number] if first else key
        yield Row(key, known, first, held["until"][number], vector, sparse, decoded(held["payload"][number]))


def _matrix(batch: pa.RecordBatch) -> Any:
    column = batch.column("dense")
    return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1).astype(np.float32, copy=False)


def scores(batch: pa.RecordBatch, weights: Mapping[int, float]) -> Any:
    """Return the dot product of each row's sparse vector and the weights, of shape (rows,)."""
    terms, owners = _flat(batch)
    known = np.array(sorted(weights), dtype=np.int64)
    weight = np.array([weights[term] for term in known.tolist()])
    at = np.searchsorted(known, terms).clip(max=len(known) - 1)
    held = np.where(known[at] == terms, weight[at], 0.0) * batch.column("values").flatten().to_numpy()
    return np.bincount(owners, weights=held, minlength=batch.num_rows)


def holders(batch: pa.RecordBatch, terms: Collection[int]) -> Mapping[int, int]:
    """Count the rows that hold each of these terms."""
    held, _ = _flat(batch)
    found, counts = np.unique(held[np.isin(held, list(terms))], return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _flat(batch: pa.RecordBatch) -> tuple[Any, Any]:
    """Return the terms of all rows one after the other, and whose each is."""
    column = batch.column("terms")
    return column.flatten().to_numpy(), column.value_parent_indices().to_numpy()

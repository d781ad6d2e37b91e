"""Write data sets: rows stream to disk in batches that are bounded by number and by size."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from time import perf_counter, time
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from llm_engineering.infrastructure.parquet.dataset import (
    ROWS_FILE,
    ParquetDataset,
    new_file,
    noted,
    timing,
    translated,
)
from llm_engineering.infrastructure.parquet.layout import Layout, layout_of

T = TypeVar("T")

BATCH_ROWS = 512
BATCH_BYTES = 16 * 1024 * 1024


def write_dataset(
    rows: Iterable[T],
    row_type: type[T],
    folder: Path,
    batch_rows: int = BATCH_ROWS,
    batch_bytes: int = BATCH_BYTES,
    *,
    timed: bool = False,
    notes: Mapping[str, str] | None = None,
) -> ParquetDataset[T]:
    """Write rows to a data set in a folder, replacing the one that is there only when all rows are written.

    One batch is in memory at a time, here and for whoever reads it. It ends after `batch_rows` rows, or with the row
    that brings it to `batch_bytes`. A `timed` data set knows how long its making took, and when it ended: the same rows
    are then no longer the same bytes. `notes` are kept beside the rows; they are read when all rows are written.

    Raises:
        TypeError: `row_type`, or a row, is not of a type that data sets hold.
        ValueError: a field holds a value that its type does not allow.
        BackendError: the disk is full, or the folder cannot be written.
    """
    layout = layout_of(row_type)
    length = 0
    started = perf_counter()
    with new_file(folder / ROWS_FILE) as partial:
        with translated(partial):
            writer = pq.ParquetWriter(partial, layout.schema, compression="zstd", write_page_checksum=True)
        try:
            for batch in batches(rows, layout, batch_rows, batch_bytes):
                encoded = layout.encode(batch)
                with translated(partial):
                    writer.write_batch(encoded)
                length += len(batch)
            if timed:
                writer.add_key_value_metadata(timing(perf_counter() - started, time()))
            if notes:
                writer.add_key_value_metadata(noted(notes))
        finally:
            with translated(partial):
                writer.close()
            # Arrow keeps what it freed for itself; the steps after this one need other memory.
            pa.default_memory_pool().release_unused()
    return ParquetDataset(folder, layout, length)


def spool(rows: Iterable[T], row_type: type[T], folder: Path) -> ParquetDataset[T]:
    """Write rows to a data set in a new sub-folder of `folder`, which is removed again if that fails."""
    layout = layout_of(row_type)
    with translated(folder / ROWS_FILE):
        folder.mkdir(parents=True, exist_ok=True)
        own = Path(mkdtemp(prefix=f"{layout.name}-", dir=folder))
    try:
        return write_dataset(rows, row_type, own)
    except BaseException:
        rmtree(own, ignore_errors=True)
        raise


def batches(
    rows: Iterable[T], layout: Layout, batch_rows: int = BATCH_ROWS, batch_bytes: int = BATCH_BYTES
) -> Iterator[list[T]]:
    """Yield the rows in lists that are bounded by number and by size.

    Raises:
        TypeError: a row is not of the type of the layout.
    """
    batch: list[T] = []
    size = 0
    for row in rows:
        if type(row) is not layout.row_type:
            raise TypeError(f"a {type(row).__name__} among rows of type {layout.row_type.__name__}")
        batch.append(row)
        size += layout.size(row)
        if len(batch) >= batch_rows or size >= batch_bytes:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch

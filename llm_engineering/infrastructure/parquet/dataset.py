"""Read data sets: rows stream from disk, one row group in memory at a time."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Generic, TypeVar
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from llm_engineering.domain.errors import BackendError
from llm_engineering.infrastructure.parquet.fingerprint import fingerprint
from llm_engineering.infrastructure.parquet.layout import Layout, layout_in

T = TypeVar("T")

ROWS_FILE = "rows.parquet"
_TIMING = b"llm_engineering.timing"
_NOTES = b"llm_engineering.notes"


def timing(seconds: float, ended: float) -> dict[str, str]:
    """Return what the metadata of a file say of how long its rows took, and when they were done."""
    return {_TIMING.decode(): f"{seconds:.6f} {ended:.6f}"}


def noted(notes: Mapping[str, str]) -> dict[str, str]:
    """Return what the metadata of a file say beside its rows."""
    return {_NOTES.decode(): json.dumps(dict(notes))}


class ParquetDataset(Generic[T]):
    """The port `Dataset` over a Parquet file: `folder` holds it, and nothing else belongs to the data set."""

    def __init__(self, folder: Path, layout: Layout, length: int) -> None:
        self.folder = folder
        self._layout = layout
        self._length = length
        self._fingerprint = ""

    @property
    def row_type(self) -> type[T]:
        return self._layout.row_type

    @property
    def nbytes(self) -> int:
        """The size on disk, in bytes."""
        with translated(self._path):
            return self._path.stat().st_size

    @property
    def timing(self) -> tuple[float, float] | None:
        """How long its making took, in seconds, and when that ended, in seconds since 1970; None if it is not known."""
        with translated(self._path), pq.ParquetFile(self._path) as file:
            facts = file.metadata.metadata or {}
        if _TIMING not in facts:
            return None
        seconds, ended = facts[_TIMING].split()
        return float(seconds), float(ended)

    @property
    def notes(self) -> Mapping[str, str]:
        """What is said beside the rows: of a data set of chunks, documents that have none, and why."""
        with translated(self._path), pq.ParquetFile(self._path) as file:
            found: dict[str, str] = json.loads((file.metadata.metadata or {}).get(_NOTES, b"{}"))
        return found

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[T]:
        for table in self._row_groups():
            with translated(self._path):
                rows = list(self._layout.decode(table))
            yield from rows

    def __repr__(self) -> str:
        return f"<ParquetDataset of {self._length} {self.row_type.__name__} in {self.folder}>"

    def head(self, n: int) -> list[T]:
        """Return the first `n` rows, or all of them if there are fewer."""
        return list(islice(self, n))

    def fingerprint(self) -> str:
        """Return the SHA-256 of the rows, 64 hex digits: the same for the same rows, however the file is laid out."""
        if not self._fingerprint:
            self._fingerprint = fingerprint(self._layout, self._row_groups())
        return self._fingerprint

    @property
    def _path(self) -> Path:
        return self.folder / ROWS_FILE

    def _row_groups(self) -> Iterator[pa.Table]:
        with translated(self._path):
            file = pq.ParquetFile(self._path, page_checksum_verification=True)
        with file:
            for number in range(file.num_row_groups):
                with translated(self._path):
                    table = file.read_row_group(number)
                yield table


def read_dataset(folder: Path) -> "ParquetDataset[object]":
    """Open the data set in a folder; the file says which rows it holds.

    Raises:
        BackendError: there is none, it is damaged, or another version of the project wrote it.
    """
    path = folder / ROWS_FILE
    with translated(path), pq.ParquetFile(path) as file:
        return ParquetDataset(folder, layout_in(file.schema_arrow, path), file.metadata.num_rows)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, and rename it at the end: readers see the old file or the whole new one."""
    partial = path.with_name(f".{path.name}.{uuid4().hex}")
    with translated(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
        with translated(path):
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn the errors of the file system and of Arrow inside the block into ours."""
    try:
        yield
    except FileNotFoundError as error:
        raise BackendError(f"there is no data set in {path.parent}: {path.name} is missing") from error
    except (OSError, pa.ArrowException, ValueError) as error:  # ValueError: text or JSON in a damaged file
        raise BackendError(f"the data set {path} cannot be read or written: {error}") from error

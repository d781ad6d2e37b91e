"""Read tables: every mistake of the file is answered with its line, before anything is done with its rows."""

import codecs
import csv
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from llm_engineering.domain.errors import UsageError

# Python's csv module refuses larger cells; its own limit is 128 KiB.
LARGEST_CELL = 64 * 1024 * 1024
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))

Row = dict[str, Any]


@dataclass(frozen=True)
class Facts:
    """What a table holds: its columns in their order, the number of its rows, and the SHA-256 of the file.

    `kinds` says of each column which types of values are in it, where the format does not.
    """

    columns: tuple[str, ...]
    rows: int
    fingerprint: str
    kinds: dict[str, set[type]] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A table in a file. It can be read any number of times; one row is in memory at a time (of Parquet, a batch)."""

    path: Path
    encoding: str = "utf-8"
    delimiter: str = ","

    @property
    def format(self) -> str:
        suffix = self.path.suffix.lower()
        return "jsonl" if suffix == ".ndjson" else suffix.removeprefix(".")

    def facts(self) -> Facts:
        """Read the whole table once and return what it holds.

        Raises:
            UsageError: it cannot be read, is empty, has a column twice, or a line that is no row; with the line.
        """
        columns: dict[str, set[type]] = {name: set() for name in self._head()}
        count = 0
        for row in self.rows():
            count += 1
            for name, value in row.items():
                columns.setdefault(name, set()).add(type(value))
        with self._reported():
            fingerprint = hashlib.sha256(self.path.read_bytes()).hexdigest()
        return Facts(tuple(columns), count, fingerprint, columns)

    def rows(self) -> Iterator[Row]:
        """Yield the rows, each a mapping of columns to values.

        Raises:
            UsageError: as `facts`.
        """
        readers = {"csv": self._csv, "jsonl": self._jsonl, "parquet": self._parquet}
        with self._reported():
            yield from readers[self.format]()

    def schema(self) -> Any:
        """Return the Arrow schema of a Parquet table."""
        import pyarrow.parquet as pq

        with self._reported():
            return pq.read_schema(self.path)

    def _head(self) -> list[str]:
        """Return the columns that the format itself tells."""
        if self.format == "jsonl":
            return []
        with self._reported():
            if self.format == "parquet":
                return list(self.schema().names)
            with self._text() as file:
                return self._header(csv.reader(file, delimiter=self.delimiter, strict=True))

    def _header(self, reader: Any) -> list[str]:
        head = [name.strip() for name in next(reader, [])]
        if not any(head):
            raise UsageError(f"{self.path} is empty: its first line names no columns")
        if twice := sorted({name for name in head if head.count(name) > 1}):
            raise UsageError(f"{self.path}: the column {twice[0]!r} is there twice; give each column a name of its own")
        return head

    def _csv(self) -> Iterator[Row]:
        csv.field_size_limit(max(csv.field_size_limit(), LARGEST_CELL))
        with self._text() as file:
            reader = csv.reader(file, delimiter=self.delimiter, strict=True)
            head = self._header(reader)
            try:
                for cells in reader:
                    if len(cells) > len(head):
                        raise UsageError(
                            f"{self.path}, line {reader.line_num}: {len(cells)} cells under {len(head)} columns; put a "
                            f'cell that holds {self.delimiter!r} in quotes ("…")'
                        )
                    if cells:
                        yield dict(zip(head, cells + [""] * (len(head) - len(cells)), strict=True))
            except csv.Error as error:
                raise UsageError(f"{self.path}, line {reader.line_num}: {error}") from None

    def _jsonl(self) -> Iterator[Row]:
        with self._text() as file:
            number = 0
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line, parse_constant=lambda _: None)
                except (ValueError, RecursionError) as error:
                    raise UsageError(f"{self.path}, line {number}: this is no JSON: {error}") from None
                if not isinstance(row, dict):
                    raise UsageError(f"{self.path}, line {number}: write one JSON object in each line")
                yield row
            if not number:
                raise UsageError(f"{self.path} is empty; write one JSON object in each line")

    def _parquet(self) -> Iterator[Row]:
        import pyarrow.parquet as pq

        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(batch_size=256):
                yield from batch.to_pylist()

    @contextmanager
    def _text(self) -> Iterator[IO[str]]:
        with self.path.open("rb") as file:
            start = file.read(4)
        encoding = next((name for mark, name in _MARKS if start.startswith(mark)), self.encoding)
        with self.path.open(encoding=encoding, newline="" if self.format == "csv" else "\n") as text:
            yield text

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """Turn the errors of files, of encodings and of Arrow into ours."""
        import pyarrow as pa

        try:
            yield
        except UnicodeError as error:
            raise UsageError(
                f"{self.path} is not {self.encoding}: {error}; set batch.encoding, for example cp1252 or utf-16"
            ) from None
        except (OSError, pa.ArrowException) as error:
            raise UsageError(f"cannot read the table {self.path}: {error}") from None

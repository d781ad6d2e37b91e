"""Tables in files: CSV, TSV, JSON lines and Parquet, a document per row."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from llm_engineering.domain.documents import Item
from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.delimited import csv_rows
from llm_engineering.infrastructure.sources.formats import suffix_of
from llm_engineering.infrastructure.sources.json_lines import json_rows
from llm_engineering.infrastructure.sources.lines import text_lines
from llm_engineering.infrastructure.sources.naming import SourceName, named_twice
from llm_engineering.infrastructure.sources.places import opened, uri_of
from llm_engineering.infrastructure.sources.rows import Row, RowReader, RowSettings
from llm_engineering.infrastructure.sources.tenancy import Tenant

TableFormat = Literal["csv", "tsv", "jsonl", "parquet"]

_FORMATS: dict[str, TableFormat] = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet",
    ".pq": "parquet",
}  # fmt: skip
TABLES = tuple(_FORMATS)
# What Arrow says of a value that Python cannot hold: a date beyond the year 9999, an unknown time zone, no UTF-8.
_UNHELD = (OverflowError, ValueError, LookupError)


def _default_name(data: dict[str, Any]) -> str:
    return f"table:{uri_of(data.get('url', ''))}"


class Table(RowSettings):
    """A table in a file or at an http(s) address: a document per row. It is read row by row, in flat memory."""

    kind: Literal["table"] = "table"
    url: str = Field(min_length=1, description="path of a file, or http(s) address; secrets as ${env:NAME}")
    format: TableFormat | None = Field(None, description="csv, tsv, jsonl or parquet; null: by the ending of the name")
    delimiter: str = Field(
        "", description="between the cells of a CSV, one character, or `tab`; empty: , ; | or tab, by the first lines"
    )
    encoding: str = Field(
        "",
        description="of lines that are no UTF-8, for example cp1250; empty: Windows-1252. UTF-16 and UTF-32 are known "
        "by their byte order mark; without one, name them here",
    )
    max_bytes: int = Field(1_000_000_000, gt=0, description="of the whole table")
    max_row_bytes: int = Field(1_000_000, ge=100, description="of one row; a longer one is rejected, the others go on")
    name: SourceName = Field(
        default_factory=_default_name,
        description="what the documents are kept under; table:URL by default. Another name is another source",
    )
    tenant: Tenant = None

    @field_validator("delimiter")
    @classmethod
    def _is_one_character(cls, delimiter: str) -> str:
        if delimiter in ("tab", "\\t"):
            return "\t"
        if len(delimiter) > 1 or delimiter in ('"', "\r", "\n"):
            raise ValueError(f"{delimiter!r} is no delimiter; write one character, such as ; or |, or the word tab")
        return delimiter

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, encoding: str) -> str:
        try:
            b"    ".decode(encoding or "ascii")
        except UnicodeError:
            pass  # four blanks are nothing in UTF-32; the encoding is known
        except (LookupError, ValueError):
            known = "utf-16-le, cp1250, iso8859-2, koi8-r, shift_jis, gb18030"
            raise ValueError(f"{encoding!r} is no encoding of text that is known; write for example {known}") from None
        return encoding

    def open(self, context: SourceContext) -> "TableSource":
        """Open the source; nothing is read yet."""
        return TableSource(self.name, self, context)


@dataclass
class TableSource:
    """Reads the rows in the order of the table."""

    name: str
    spec: Table
    context: SourceContext
    keeps_unshown: bool = False
    kind: str = "table"

    def read(self) -> Iterator[Item]:
        spec = self.spec
        table_format = spec.format or _FORMATS.get(suffix_of(urlsplit(spec.url).path))
        if table_format is None:
            known = ", ".join(TABLES)
            advice = (
                "set `format`; JSON that is no JSON lines is read by kind: json, and what is packed must be unpacked"
            )
            raise SourceError("content_type", f"{uri_of(spec.url)} ends in none of {known}; {advice}")
        reader = RowReader(self.name, uri_of(spec.url), spec, self.context, provenance={"format": table_format})
        found = False
        with opened(spec.url, self.context, spec.max_bytes) as file:
            for item in reader.items(self._rows(file, table_format)):
                found, self.keeps_unshown = True, reader.lost
                yield item
        if not found:
            raise SourceError("empty_source", f"{uri_of(spec.url)} holds no row; what is indexed stays")

    def _rows(self, file: BinaryIO, table_format: TableFormat) -> Iterator[Row]:
        most = self.spec.max_row_bytes
        if table_format == "parquet":
            return parquet_rows(file, most)
        lines = text_lines(file, most, self.spec.encoding)
        if table_format == "jsonl":
            return json_rows(lines, most)
        return csv_rows(lines, most, self.spec.delimiter or ("\t" if table_format == "tsv" else ""))


def parquet_rows(file: BinaryIO, most: int) -> Iterator[Row]:
    """Yield the rows of a Parquet file, one batch in memory at a time.

    Raises:
        SourceError: `unparsable`, it is damaged or no Parquet; `wrong_shape`, two columns have one name.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(file) as table:
            names = table.schema_arrow.names
            if twice := named_twice(names):
                raise SourceError("wrong_shape", f"the column {twice[0]!r} is there twice; give each a name of its own")
            for batch in table.iter_batches(batch_size=256):
                for values in _batch_values(batch):
                    number += 1
                    yield _parquet_row(number, values, most)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise SourceError("unparsable", f"after row {number} it is no readable Parquet: {error}") from error


def _batch_values(batch: Any) -> Iterator[Mapping[str, Any] | str]:
    """Yield the values of each row, or what is wrong with it."""
    try:
        yield from batch.to_pylist()
    except _UNHELD:
        for number in range(batch.num_rows):
            values = {}
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                try:
                    values[name] = column[number].as_py()
                except _UNHELD as error:
                    yield f"the {column.type} in column {name!r} cannot be read: {error}"
                    break
            else:
                yield values


def _parquet_row(number: int, values: Mapping[str, Any] | str, most: int) -> Row:
    place = f"row {number}"
    if isinstance(values, str):
        return Row(number, place, problem=("unparsable", f"{place}: {values}"))
    size = sum(len(value) for value in values.values() if isinstance(value, str | bytes))
    if size > most:
        problem = ("too_large", f"{place} has {size:,} characters, more than max_row_bytes ({most:,})")
        return Row(number, place, problem=problem)
    return Row(number, place, values)

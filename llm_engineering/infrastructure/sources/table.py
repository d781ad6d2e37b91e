"""Tables in files: CSV, TSV, JSON lines and Parquet, a document per row."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal
from urllib.parse import urlsplit

from pydantic import Field

from llm_engineering.domain.documents import Item
from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.formats import suffix_of
from llm_engineering.infrastructure.sources.lines import csv_rows, json_rows, text_lines
from llm_engineering.infrastructure.sources.places import opened, uri_of
from llm_engineering.infrastructure.sources.rows import Row, RowReader, RowSettings
from llm_engineering.infrastructure.sources.tenancy import Tenant

TableFormat = Literal["csv", "tsv", "jsonl", "parquet"]

_FORMATS: dict[str, TableFormat] = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet",
    ".pq": "parquet",
}  # fmt: skip
TABLES = tuple(_FORMATS)


def _default_name(data: dict[str, Any]) -> str:
    return f"table:{uri_of(data.get('url', ''))}"


class Table(RowSettings):
    """A table in a file or at an http(s) address: a document per row. It is read row by row, in flat memory."""

    kind: Literal["table"] = "table"
    url: str = Field(min_length=1, description="path of a file, or http(s) address; secrets as ${env:NAME}")
    format: TableFormat | None = Field(None, description="csv, tsv, jsonl or parquet; null: by the ending of the name")
    delimiter: str = Field("", max_length=1, description="between the cells of a CSV; empty: , ; | or tab, by the head")
    encoding: str = Field("", description="of lines that are no UTF-8, for example cp1250; empty: Windows-1252")
    max_bytes: int = Field(1_000_000_000, gt=0, description="of the whole table")
    max_row_bytes: int = Field(1_000_000, ge=100, description="of one row; a longer one is rejected, the others go on")
    name: str = Field(
        default_factory=_default_name,
        min_length=1,
        description="what the documents are kept under; table:URL by default. Another name is another source",
    )
    tenant: Tenant = None

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
            raise SourceError("content_type", f"{uri_of(spec.url)} ends in none of {known}; set `format`")
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
        SourceError: `unparsable`, it is damaged or no Parquet.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(file) as table:
            for batch in table.iter_batches(batch_size=256):
                for values in batch.to_pylist():
                    number += 1
                    place = f"row {number}"
                    size = sum(len(value) for value in values.values() if isinstance(value, str | bytes))
                    if size > most:
                        problem = ("too_large", f"{place} has {size:,} characters, more than max_row_bytes ({most:,})")
                        yield Row(number, place, problem=problem)
                    else:
                        yield Row(number, place, values)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise SourceError("unparsable", f"after row {number} it is no readable Parquet: {error}") from error

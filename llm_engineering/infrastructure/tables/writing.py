"""Write tables: readers see the old file or the whole new one."""

import csv
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from llm_engineering.infrastructure.parquet.dataset import new_file, translated
from llm_engineering.infrastructure.tables.reading import Facts, Row, Table

# A spreadsheet takes a cell that begins so for a formula and runs it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_BATCH = 1_024


def write_table(path: Path, rows: Iterable[Row], source: Table, facts: Facts, added: Mapping[str, type]) -> int:
    """Write rows to a table in the format that the path's ending names, and return how many there were.

    Args:
        path: The file; it is replaced when all rows are written.
        rows: Values of the columns of `source`, and of those that are `added`.
        source: The table that the rows were read from; in Parquet its columns keep their types.
        facts: What that table holds.
        added: The columns after those of the source, with their types; `list` and `dict` are JSON in CSV and Parquet.

    Raises:
        BackendError: the file cannot be written.
    """
    columns = [*facts.columns, *added]
    # A table to which nothing can be renamed, a folder for example, is noticed here too.
    with new_file(path) as partial, translated(path):
        if path.suffix.lower() == ".csv":
            return _write_csv(partial, rows, columns)
        if path.suffix.lower() == ".parquet":
            return _write_parquet(partial, rows, _schema(source, facts, added))
        return _write_jsonl(partial, rows, columns)


def _write_csv(path: Path, rows: Iterable[Row], columns: list[str]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([cell(name) for name in columns])
        for row in rows:
            count += 1
            writer.writerow([cell(row.get(name)) for name in columns])
    return count


def cell(value: object) -> str:
    """Return a value as a cell of CSV, never as a formula: what a spreadsheet would run begins with an apostrophe.

    >>> cell("=HYPERLINK(A1)"), cell("-3.5"), cell(["a"])
    ("'=HYPERLINK(A1)", '-3.5', '["a"]')
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    text = _text(value).replace("\0", "�")
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and text.isascii() and text == text.strip()
    except ValueError:
        return False


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | dict) else str(value)


def _write_jsonl(path: Path, rows: Iterable[Row], columns: list[str]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        for row in rows:
            count += 1
            line = {name: _finite(row.get(name)) for name in columns}
            file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
    return count


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


# The types of values that a column of Parquet is made for; anything else, and a mixture, is written as JSON.
_SCALARS: Mapping[type, str] = {str: "string", int: "int64", float: "float64", bool: "bool_"}


def _schema(source: Table, facts: Facts, added: Mapping[str, type]) -> Any:
    import pyarrow as pa

    if source.format == "parquet":
        fields = list(source.schema().remove_metadata())
    else:
        fields = [pa.field(name, _arrow_type(facts.kinds[name] - {type(None)})) for name in facts.columns]
    return pa.schema([*fields, *(pa.field(name, _arrow_type({kind})) for name, kind in added.items())])


def _arrow_type(kinds: set[type]) -> Any:
    import pyarrow as pa

    if kinds == {int, float}:
        return pa.float64()
    kind = next(iter(kinds)) if len(kinds) == 1 else str
    return getattr(pa, _SCALARS.get(kind, "string"))()


def _write_parquet(path: Path, rows: Iterable[Row], schema: Any) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    convert = {field.name: _convert(field.type) for field in schema}
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in _batches(rows):
            converted = [{name: turn(row.get(name)) for name, turn in convert.items()} for row in batch]
            writer.write_table(pa.Table.from_pylist(converted, schema=schema))
            count += len(batch)
    return count


def _convert(type: Any) -> Callable[[Any], Any]:
    """Return what makes of a value one that a column of this type holds."""
    import pyarrow as pa

    if pa.types.is_string(type) or pa.types.is_large_string(type):
        return lambda value: None if value is None else _text(value).encode(errors="replace").decode()
    return lambda value: value


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    waiting = iter(rows)
    while batch := list(islice(waiting, _BATCH)):
        yield batch

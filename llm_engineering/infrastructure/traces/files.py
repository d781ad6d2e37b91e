"""Whether a file mentions what is to be forgotten: Parquet is decoded, everything else is read as text."""

import html
import shutil
from pathlib import Path
from typing import Any

from llm_engineering.domain.traces import Traces

_PIECE = 8 * 1024 * 1024
_OVERLAP = 8 * 1024  # longer than any address


def mentions(path: Path, traces: Traces) -> bool:
    """Return whether a file mentions the target. One that a killed process left half written counts as if it did."""
    try:
        return _parquet_mentions(path, traces) if ".parquet" in path.name else _text_mentions(path, traces)
    except FileNotFoundError:  # it went meanwhile
        return False


def _parquet_mentions(path: Path, traces: Traces) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    names = pa.array(sorted(traces.spellings), pa.string())
    try:
        with pq.ParquetFile(path) as file:
            texts = [field.name for field in file.schema_arrow if _holds_texts(field.type)]
            groups = (file.read_row_group(number, columns=texts) for number in range(file.num_row_groups))
            found = (column for group in groups for column in group.columns)
            columns = (pc.list_flatten(column) if pa.types.is_list(column.type) else column for column in found)
            return any(pc.any(pc.is_in(column, value_set=names)).as_py() for column in columns)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError):
        return True


def _holds_texts(type: Any) -> bool:
    """Return whether a column holds texts, or lists of texts."""
    import pyarrow as pa

    return bool(pa.types.is_string(type) or (pa.types.is_list(type) and pa.types.is_string(type.value_type)))


def _text_mentions(path: Path, traces: Traces) -> bool:
    before = b""
    unescaped = html.unescape if path.suffix == ".html" else str
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            if traces.are_in(unescaped((before + piece).decode("utf-8", "replace"))):
                return True
            before = piece[-_OVERLAP:]
    return False


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; what is gone already is no error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

"""Hash the rows of a data set, whatever the batches and the compression they were written with."""

from collections import defaultdict
from collections.abc import Iterable
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from llm_engineering.domain.value import digest
from llm_engineering.infrastructure.parquet.layout import Layout, one_array

if TYPE_CHECKING:
    from hashlib import _Hash


def fingerprint(layout: Layout, tables: Iterable[pa.Table]) -> str:
    """Return the SHA-256 over the columns of the tables, taken one after the other, as 64 hex digits.

    Each column is hashed in streams of its own (its bytes; the lengths of its texts and lists), so where one table
    ends and the next begins makes no difference, and no Python object is made for a value.
    """
    length = 0
    streams: dict[str, _Hash] = defaultdict(sha256)
    for table in tables:
        length += table.num_rows
        for name in layout.columns:
            _feed(streams, name, one_array(table[name]))
    columns = {path: stream.hexdigest() for path, stream in streams.items()} if length else {}
    return digest({"rows": layout.name, "length": length, "columns": columns})


def _feed(streams: "dict[str, _Hash]", path: str, values: pa.Array) -> None:
    if not len(values):
        return
    if pa.types.is_struct(values.type):
        for field in values.type:
            _feed(streams, f"{path}.{field.name}", values.field(field.name))
    elif pa.types.is_list(values.type):
        _feed(streams, f"{path}.lengths", values.value_lengths())
        _feed(streams, f"{path}.elements", values.flatten())
    elif pa.types.is_string(values.type):
        offsets = np.frombuffer(values.buffers()[1], dtype=np.int32)[values.offset :][: len(values) + 1]
        streams[f"{path}.lengths"].update(np.diff(offsets).data)
        if offsets[-1] > offsets[0]:
            streams[f"{path}.bytes"].update(values.buffers()[2][offsets[0] : offsets[-1]])
    else:
        streams[path].update(np.ascontiguousarray(values.to_numpy(zero_copy_only=False)).data)

"""How the values of a dataclass field become an Arrow column, and come back unchanged."""

import json
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from llm_engineering.domain.chunks import SparseVector, Vector
from llm_engineering.domain.documents import Format, Metadata
from llm_engineering.domain.value import Scalar
from llm_engineering.infrastructure.warehouse.exact_text import SUBSTITUTE, original, storable


@dataclass(frozen=True)
class Column:
    """An Arrow type, the way there and back for many values at once, and the rough size of a value in bytes.

    Without a `size`, every value has the same, and it is small.
    """

    type: pa.DataType
    encode: Callable[[Sequence[Any]], pa.Array]
    decode: Callable[[pa.Array], Iterable[Any]]
    size: Callable[[Any], int] | None = None


# Columns are made from buffers. `pa.array` of a Python list imports pandas wherever that is installed, to ask whether
# the list is one of its own: a quarter of a second in each process.


def _strings(texts: Iterable[str]) -> pa.Array:
    encoded = [text.encode() for text in texts]
    together = pa.py_buffer(b"".join(encoded))
    return pa.Array.from_buffers(pa.string(), len(encoded), [None, _offsets(encoded), together])


def _offsets(values: Iterable[Sequence[Any]]) -> pa.Buffer:
    return pa.py_buffer(array("i", accumulate(map(len, values), initial=0)))


# Text. NUL and lone surrogates are written in a readable form that is turned back on reading. They are rare: one look
# at all texts together decides whether each needs one.


def _encode_texts(texts: Sequence[str]) -> pa.Array:
    together = "".join(texts)
    return _strings(texts if storable(together) is together else map(storable, texts))


def _decode_texts(texts: pa.Array) -> list[str]:
    stored: list[str] = texts.to_pylist()
    return list(map(original, stored)) if pc.any(pc.match_substring(texts, SUBSTITUTE)).as_py() else stored


# Metadata: canonical JSON, because its keys differ from row to row and its values are str, int, float or bool.


def _encode_json(values: Sequence[Metadata]) -> pa.Array:
    return _strings(json.dumps(dict(value), sort_keys=True, ensure_ascii=True) for value in values)


def _decode_json(texts: pa.Array) -> Iterable[dict[str, Scalar]]:
    return map(json.loads, texts.to_pylist())


def _size_of_metadata(metadata: Metadata) -> int:
    return sum(len(value) if isinstance(value, str) else 8 for value in metadata.values())


# Lists: all their elements after each other, and the offset at which each list begins.


def _list_type(element: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("element", element, nullable=False))


def _encode_lists(lists: Sequence[Sequence[Any]], elements: pa.Array) -> pa.Array:
    offsets = pa.Array.from_buffers(pa.int32(), len(lists) + 1, [None, _offsets(lists)])
    return pa.ListArray.from_arrays(offsets, elements, type=_list_type(elements.type))


def _decode_lists(lists: pa.Array, elements: Any) -> Iterable[Any]:
    return (elements[start:end] for start, end in pairwise(lists.offsets.to_pylist()))


def _encode_text_lists(lists: Sequence[Sequence[str]]) -> pa.Array:
    return _encode_lists(lists, _encode_texts(list(chain.from_iterable(lists))))


def _decode_text_lists(lists: pa.Array) -> Iterable[tuple[str, ...]]:
    return _decode_lists(lists, tuple(_decode_texts(lists.values)))


# Numbers in lists travel as buffers, in both directions: no Python object for each number.

_ARROW = {"f": pa.float32(), "d": pa.float64(), "I": pa.uint32(), "q": pa.int64()}


def _numbers(typecode: str, buffer: bytes) -> pa.Array:
    count = len(buffer) // array(typecode).itemsize
    return pa.Array.from_buffers(_ARROW[typecode], count, [None, pa.py_buffer(buffer)])


def _buffer_of(numbers: pa.Array, typecode: str) -> Vector:
    elements: Vector = array(typecode)
    if len(numbers):
        width = elements.itemsize
        elements.frombytes(memoryview(numbers.buffers()[1])[numbers.offset * width :][: len(numbers) * width])
    return elements


def _encode_vectors(vectors: Sequence[Vector]) -> pa.Array:
    if wrong := {vector.typecode for vector in vectors} - {"f"}:
        raise ValueError(f"a vector is array('f', …), not array({wrong.pop()!r}, …)")
    return _encode_lists(vectors, _numbers("f", b"".join(vectors)))


def _decode_vectors(lists: pa.Array) -> Iterable[Vector]:
    return _decode_lists(lists, _buffer_of(lists.values, "f"))


def fixed_vectors(dimension: int) -> Column:
    """Return the column of vectors that all have `dimension` components."""
    fixed = pa.list_(pa.field("element", pa.float32(), nullable=False), dimension)

    def encode(vectors: Sequence[Vector]) -> pa.Array:
        if wrong := {len(vector) for vector in vectors} - {dimension}:
            raise ValueError(f"a vector has {wrong.pop()} components, not {dimension}")
        return pa.FixedSizeListArray.from_arrays(_encode_vectors(vectors).values, type=fixed)

    def decode(lists: pa.Array) -> Iterable[Vector]:
        numbers = _buffer_of(lists.flatten(), "f")
        return (numbers[start : start + dimension] for start in range(0, len(numbers), dimension))

    return Column(fixed, encode, decode, lambda vector: 4 * len(vector))


_SPARSE = pa.struct(
    [
        pa.field("indices", _list_type(pa.uint32()), nullable=False),
        # 64 bits: the values are Python floats, and must not change on their way.
        pa.field("values", _list_type(pa.float64()), nullable=False),
    ]
)


def _encode_sparse(vectors: Sequence[SparseVector]) -> pa.Array:
    indices, values = [vector.indices for vector in vectors], [vector.values for vector in vectors]
    fields = [
        _encode_lists(indices, _numbers("I", array("I", chain.from_iterable(indices)).tobytes())),
        _encode_lists(values, _numbers("d", array("d", chain.from_iterable(values)).tobytes())),
    ]
    return pa.StructArray.from_arrays(fields, fields=list(_SPARSE))


def _decode_sparse(vectors: pa.Array) -> Iterable[SparseVector]:
    indices, values = vectors.field("indices"), vectors.field("values")
    return map(
        SparseVector,
        map(tuple, _decode_lists(indices, _buffer_of(indices.values, "I"))),
        map(tuple, _decode_lists(values, _buffer_of(values.values, "d"))),
    )


def _plain(typecode: str) -> Column:
    return Column(
        _ARROW[typecode],
        lambda values: _numbers(typecode, array(typecode, values).tobytes()),
        lambda numbers: numbers.to_pylist(),
    )


def _encode_booleans(values: Sequence[bool]) -> pa.Array:
    if strange := [value for value in values if value not in (True, False)]:
        raise ValueError(f"{strange[0]!r} is not true or false")
    return _numbers("q", array("q", values).tobytes()).cast(pa.bool_())


_TEXT = Column(pa.string(), _encode_texts, _decode_texts, len)

# The type of a dataclass field, as it is written there → its column.
COLUMNS: Mapping[object, Column] = {
    str: _TEXT,
    Format: _TEXT,
    int: _plain("q"),
    float: _plain("d"),
    bool: Column(pa.bool_(), _encode_booleans, lambda booleans: booleans.to_pylist()),
    Metadata: Column(pa.string(), _encode_json, _decode_json, _size_of_metadata),
    tuple[str, ...]: Column(
        _list_type(pa.string()), _encode_text_lists, _decode_text_lists, lambda texts: sum(map(len, texts)) + len(texts)
    ),
    Vector: Column(_list_type(pa.float32()), _encode_vectors, _decode_vectors, lambda vector: 4 * len(vector)),
    SparseVector: Column(_SPARSE, _encode_sparse, _decode_sparse, lambda vector: 12 * len(vector.indices)),
}

"""Vectors as bytes, for engines that keep them beside their index."""

from array import array

from llm_engineering.domain.chunks import SparseVector, Vector


def packed(sparse: SparseVector) -> bytes:
    """Return a sparse vector as bytes: its indices as 4 bytes each, then its values as 8 each; nothing for none.

    >>> unpacked(packed(SparseVector((3, 4294967295), (1.5, 0.1))))
    SparseVector(indices=(3, 4294967295), values=(1.5, 0.1))
    """
    return array("I", sparse.indices).tobytes() + array("d", sparse.values).tobytes()


def unpacked(content: bytes | None) -> SparseVector:
    """Return the sparse vector of such bytes."""
    if not content:
        return SparseVector((), ())
    split = len(content) // 3
    indices, values = array("I"), array("d")
    indices.frombytes(content[:split])
    values.frombytes(content[split:])
    return SparseVector(tuple(indices), tuple(values))


def dense_of(content: bytes) -> Vector:
    """Return the dense vector of the bytes of its 32-bit components."""
    vector = array("f")
    vector.frombytes(content)
    return vector


NO_DENSE: Vector = array("f")
NO_SPARSE = SparseVector((), ())

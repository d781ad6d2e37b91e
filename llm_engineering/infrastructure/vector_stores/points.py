"""What a point must be before it reaches a store. Engines differ in what they let pass: some accept a NaN and never
find the point again, Qdrant Edge is damaged by a sparse vector whose values are fewer than its indices."""

from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from math import hypot, isfinite
from uuid import UUID

from llm_engineering.domain.chunks import Point, SparseVector, Vector
from llm_engineering.domain.errors import BackendError
from llm_engineering.infrastructure.vector_stores.conditions.matching import field_value

# Largest index of a sparse vector: engines keep them as unsigned 32-bit numbers.
LARGEST_INDEX = 2**32 - 1


def check_points(points: Sequence[Point], dimension: int) -> None:
    """Refuse points that a store could not find again, before anything is written.

    Raises:
        BackendError: an id is no UUID, a vector has another dimension, no length, or a component that is no number.
    """
    for point in points:
        if not is_uuid(point.id):
            raise BackendError(f"the id of a point is {point.id!r}; ids are UUIDs in lower case with dashes")
        check_dense(point.dense, dimension, f"point {point.id}")
        check_sparse(point.sparse, f"point {point.id}")


def check_dense(vector: Vector, dimension: int, whose: str) -> None:
    """Refuse a dense vector that does not fit the index or has no direction."""
    if len(vector) != dimension:
        raise BackendError(
            f"the dense vector of {whose} has {len(vector)} components, the index has {dimension}; "
            "was it made by another model?"
        )
    length = hypot(*vector)
    if not isfinite(length) or length == 0.0:
        raise BackendError(f"the dense vector of {whose} is zero or holds NaN or infinity; the embedder failed")


def check_sparse(vector: SparseVector, whose: str) -> None:
    """Refuse a sparse vector whose indices are not ascending 32-bit numbers with one finite value each."""
    indices, values = vector.indices, vector.values
    if len(indices) != len(values):
        raise BackendError(f"the sparse vector of {whose} has {len(indices)} indices and {len(values)} values")
    if any(left >= right for left, right in pairwise(indices)):
        raise BackendError(f"the sparse vector of {whose} has indices that are not ascending and unique")
    if indices and (indices[0] < 0 or indices[-1] > LARGEST_INDEX):
        raise BackendError(f"the sparse vector of {whose} has an index outside 0 … {LARGEST_INDEX}")
    if not all(map(isfinite, values)):
        raise BackendError(f"the sparse vector of {whose} holds NaN or infinity")


def first_values(points: Sequence[Point], fields: Iterable[str]) -> dict[str, object]:
    """Return, of each payload field that any of the points has, the first value that is there."""
    found = {}
    for name in fields:
        values = (field_value(point.payload, name) for point in points)
        first = next((value for value in values if value is not None), None)
        if first is not None:
            found[name] = first
    return found


def is_uuid(text: str) -> bool:
    """Return whether the text is a UUID in its canonical form."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def known_ids(ids: Collection[str]) -> list[str]:
    """Return those ids that a point can have; the others are ids of nothing."""
    return [candidate for candidate in dict.fromkeys(ids) if is_uuid(candidate)]

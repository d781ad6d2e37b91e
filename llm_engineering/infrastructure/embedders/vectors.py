"""Unit vectors of what a model gave."""

from array import array

import numpy as np
from numpy.typing import NDArray

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.errors import BackendError


def unit_vectors(found: NDArray[np.float32], model: str, how: str) -> list[Vector]:
    """Return the rows (texts, dimension) as vectors of length 1.

    Raises:
        BackendError: a row is zero, or holds something that is no number; the message says of which model, and `how`
            it was computed.
    """
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not lengths.all():
        raise BackendError(f"model {model!r} gave a vector that is zero or no number, {how}")
    return [array("f", vector.tobytes()) for vector in (found / lengths).astype(np.float32)]

"""How near two texts are to an embedder: as a whole, and token by token."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def cosine(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the cosine of two vectors of length 1, at least 0: what is opposed is as far as what is unrelated."""
    return float(np.clip(np.dot(np.asarray(first), np.asarray(second)), 0.0, 1.0))


def token_match(reference: Floats, answer: Floats) -> float:
    """Return the F measure of each token's best match in the other text, between 0 and 1.

    As BERTScore (Zhang and others, 2020), with the embedder of the index, without weights by rarity and without a
    baseline: what the figure of unrelated texts is depends on the embedder, so only differences mean something.

    Args:
        reference: Unit vectors of its tokens, (tokens, components).
        answer: The same of the answer.
    """
    if not len(reference) or not len(answer):
        return 0.0
    near = np.clip(answer @ reference.T, 0.0, 1.0)  # (answer tokens, reference tokens)
    precision, recall = float(near.max(axis=1).mean()), float(near.max(axis=0).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0

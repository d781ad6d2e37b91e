"""The halves of a set of questions: one to choose with, the other to report on."""

import hashlib
from collections.abc import Sequence


def reported(document: str) -> bool:
    """Return whether questions about a document are reported on; with the others, settings are chosen.

    All questions about a document are in the same half, so that none of what was chosen was chosen for it.
    """
    return bool(hashlib.sha256(document.encode()).digest()[0] % 2)


def figures(ranks: Sequence[int]) -> str:
    """Return hit rate and mean reciprocal rank; a rank of 0 is a miss."""
    found = [rank for rank in ranks if rank]
    return f"{len(found) / len(ranks):.3f} / {sum(1 / rank for rank in found) / len(ranks):.3f}" if ranks else "-"

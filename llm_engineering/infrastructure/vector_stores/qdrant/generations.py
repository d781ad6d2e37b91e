"""How readers of a Qdrant server see what was published and nothing else.

A server shows a write to everybody at once. So each stored point says from which generation on it is to be seen, and
from which on no longer; a version's metadata says which generation is published. A writer works on the next one: what
it adds begins there, what it removes ends there, and what it replaces is a second point with the same id of ours.
Readers filter by the generation that they read when they opened the index. Publishing sets one number.

It is the scheme of `versioned/generations.py` in the server's own filters: they can ask for what a foreign point lacks,
and the id of a stored point has to be a UUID here.

>>> stored_id("6f9619ff-8b86-5011-b42d-00cf4fc964ff", 1) != stored_id("6f9619ff-8b86-5011-b42d-00cf4fc964ff", 2)
True
"""

from collections.abc import Collection
from hashlib import sha256
from uuid import UUID

from qdrant_client import models

from llm_engineering.infrastructure.vector_stores.versioned.generations import FOREVER, FROM, ID, UNTIL

LOW_BITS = 2**62 - 1
VARIANT = 2**63


def stored_id(point_id: str, generation: int) -> str:
    """Return the id under which the server keeps a point of a generation.

    It begins as the point's own id does, so that the server lists points in the order of their own ids.
    """
    digest = sha256(f"{point_id}:{generation}".encode()).digest()
    low = int.from_bytes(digest[:8], "big") & LOW_BITS | VARIANT
    return str(UUID(int=UUID(point_id).int >> 64 << 64 | low))


def same_place(stored: str) -> str:
    """Return what all generations of a point have in common in their stored ids."""
    return stored[:18]


def seen_at(generation: int) -> list[models.Condition]:
    """Return the conditions that a point is to be seen at a generation."""
    return [
        models.FieldCondition(key=FROM, range=models.Range(lte=generation)),
        models.FieldCondition(key=UNTIL, range=models.Range(gt=generation)),
    ]


def replaced_by(generation: int, ids: Collection[str]) -> models.Filter:
    """Return the filter for points of earlier generations that a generation removes or replaces."""
    return models.Filter(
        must=[
            with_ids(ids),
            models.FieldCondition(key=FROM, range=models.Range(lt=generation)),
            models.FieldCondition(key=UNTIL, range=models.Range(gt=generation)),
        ]
    )


def written_by(generation: int, ids: Collection[str] | None = None) -> models.Filter:
    """Return the filter for points that a generation added, of all ids or of some."""
    mine = models.FieldCondition(key=FROM, range=models.Range(gte=generation))
    return models.Filter(must=[mine] if ids is None else [with_ids(ids), mine])


def ended_by(generation: int) -> models.Filter:
    """Return the filter for points that nobody who opened the index at this generation or later sees."""
    return models.Filter(must=[models.FieldCondition(key=UNTIL, range=models.Range(lte=generation))])


def with_ids(ids: Collection[str]) -> models.FieldCondition:
    """Return the condition that a point has one of our ids."""
    return models.FieldCondition(key=ID, match=models.MatchAny(any=list(ids)))


def unpublished(generation: int) -> models.Filter:
    """Return the filter for points that a generation added or ended."""
    ended = models.FieldCondition(key=UNTIL, range=models.Range(gte=generation, lt=FOREVER))
    added = models.FieldCondition(key=FROM, range=models.Range(gte=generation))
    return models.Filter(should=[added, ended])


def foreign() -> models.Filter:
    """Return the filter for points that somebody else put here: they lack what we write into every payload."""
    fields = [models.PayloadField(key=key) for key in (ID, FROM)]
    return models.Filter(should=[models.IsEmptyCondition(is_empty=field) for field in fields])


def seen_by_writer(generation: int) -> models.Filter:
    """Return the filter for what a writer has to know of: what is to be seen, and foreign points."""
    return models.Filter(should=[models.Filter(must=seen_at(generation)), foreign()])


def removable_by(generation: int, ids: Collection[str]) -> models.Filter:
    """Return the filter for points that can go at once because no reader may see them: new ones and foreign ones."""
    stored: list[models.ExtendedPointId] = list(ids)
    theirs = models.Filter(must=[models.HasIdCondition(has_id=stored), foreign()])
    return models.Filter(should=[written_by(generation, ids), theirs])

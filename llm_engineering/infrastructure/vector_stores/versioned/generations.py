"""How readers see what was published and nothing else, on engines that show a write to everybody at once.

Each row says from which generation on it is to be seen, and from which on no longer; a record says which generation
of a version is published. A writer works on the next one: what it adds begins there, what it removes ends there, and
what it replaces is a second row with the same id and another key. Readers filter by the generation that they read when
they opened the index. Publishing sets one record.

>>> stored_key("6f9619ff-8b86-5011-b42d-00cf4fc964ff", 10)
'6f9619ff-8b86-5011-b42d-00cf4fc964ff-0000000a'
"""

from collections.abc import Collection
from hashlib import sha256

from llm_engineering.domain.conditions import And, Condition, In, Not, Or, Range

ID = "_id"
FROM = "_from"
UNTIL = "_until"
RESERVED = frozenset({ID, FROM, UNTIL})
FOREVER = 2**31 - 1
# What somebody else put into the table lacks what we write into every row.
FOREIGN = Not(condition=Range(field=FROM, gte=1))


def stored_key(point_id: str, generation: int) -> str:
    """Return the key of a point of a generation; keys sort as the ids do."""
    return f"{point_id}-{generation:08x}"


def table_name(collection: str, version: str) -> str:
    """Return the name of a version's table, which every engine takes: at most 48 characters of a-z, 0-9 and _.

    >>> table_name("My notes", "2024-v1")
    'le_my_notes_2024_v1_f0ef72c3adde'
    """
    digest = sha256(f"{collection}/{version}".encode()).hexdigest()[:12]
    return f"le_{_plain(collection)}_{_plain(version)}_{digest}"


def _plain(name: str) -> str:
    lower = name.lower()
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in lower)[:16]


def seen_at(generation: int) -> tuple[Condition, ...]:
    """Return the conditions that a row is to be seen at a generation."""
    return Range(field=FROM, gte=1, lte=generation), Range(field=UNTIL, gt=generation)


def replaced_by(generation: int, ids: Collection[str]) -> Condition:
    """Return the condition for rows of earlier generations that a generation removes or replaces."""
    return And(
        conditions=(
            In(field=ID, values=tuple(ids)),
            Range(field=FROM, gte=1, lt=generation),
            Range(field=UNTIL, gt=generation),
        )
    )


def written_by(generation: int, ids: Collection[str] | None = None) -> Condition:
    """Return the condition for rows that a generation added, of all ids or of some."""
    added = Range(field=FROM, gte=generation)
    return added if ids is None else And(conditions=(In(field=ID, values=tuple(ids)), added))


def ended_by(generation: int) -> Condition:
    """Return the condition for rows that nobody who opened the index at this generation or later sees."""
    return Range(field=UNTIL, gte=1, lte=generation)


def unpublished(generation: int) -> Condition:
    """Return the condition for rows that a generation added or ended."""
    ended = Range(field=UNTIL, gte=generation, lt=FOREVER)
    return Or(conditions=(Range(field=FROM, gte=generation), ended))

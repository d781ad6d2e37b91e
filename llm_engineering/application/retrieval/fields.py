"""Which fields documents have, and what to say of a filter that names others: most likely they are misspelt."""

from collections.abc import Callable, Iterator
from difflib import get_close_matches

from llm_engineering.application.retrieval.filters import METADATA, PAYLOAD_FIELDS, filter_key, payload_filter
from llm_engineering.domain.access import Access
from llm_engineering.domain.conditions import And, Condition, Eq, Filter, In, Not, Or, Range
from llm_engineering.domain.ports import VectorIndex

# With more fields than this, nobody can be told which there are.
MOST_FIELDS = 10_000
# Of so many unknown fields each is named, and so many known ones are, in so many characters each.
_NAMED, _LISTED, _LONGEST = 5, 30, 60
_CHOSEN = ("source", "title", "uri")


def metadata_fields(index: VectorIndex, access: Access) -> frozenset[str] | None:
    """Return the metadata fields of the passages that may be seen, as payloads name them; None where there are too
    many, or no passages. One pass over the payloads."""
    found: set[str] = set()
    seen = False
    for payload in index.payloads(["metadata"], access.condition):
        seen = True
        metadata = payload.get("metadata")
        if isinstance(metadata, dict):
            found.update(f"{METADATA}{name}" for name in metadata)
        if len(found) > MOST_FIELDS:
            return None
    return frozenset(found) if seen else None


def unknown_fields(
    filter: Filter | None, index: VectorIndex, known: Callable[[], frozenset[str] | None]
) -> tuple[str, ...]:
    """Return a sentence for each field of a filter that no document has which the caller may see.

    `known` returns the metadata fields of these documents, and is asked only for a field that is not indexed. It is no
    mistake to ask for a value that no document has.
    """
    if filter is None:
        return ()
    indexed = set(index.manifest.payload_indexes)
    named = dict.fromkeys(_fields(payload_filter(filter)))
    doubtful = [field for field in named if field not in PAYLOAD_FIELDS and field not in indexed]
    there = known() if doubtful else None
    missing = [field for field in doubtful if field not in there] if there is not None else []
    if there is None or not missing:
        return ()
    names = sorted({filter_key(field) for field in there} | {*_CHOSEN})
    return tuple(_sentence(filter_key(field), names) for field in missing[:_NAMED])


def _fields(condition: Condition) -> Iterator[str]:
    match condition:
        case Eq() | In() | Range():
            yield condition.field
        case And(conditions=parts) | Or(conditions=parts):
            for part in parts:
                yield from _fields(part)
        case Not(condition=denied):
            yield from _fields(denied)


def _sentence(name: str, names: list[str]) -> str:
    near = get_close_matches(name[: 2 * _LONGEST], [one[: 2 * _LONGEST] for one in names], n=1, cutoff=0.75)
    meant = f"; did you mean {_quoted(near[0])}?" if near else "."
    listed = ", ".join(one[:_LONGEST] for one in names[:_LISTED]) + (" …" if len(names) > _LISTED else "")
    return (
        f"the filter names the field {_quoted(name)}, which no document that you may see has{meant} There are: {listed}"
    )


def _quoted(name: str) -> str:
    return repr(name[:_LONGEST] + ("…" if len(name) > _LONGEST else ""))

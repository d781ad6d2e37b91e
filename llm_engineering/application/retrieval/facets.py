"""The values of the indexed fields, with how many passages have them."""

from collections import Counter
from collections.abc import Mapping

from llm_engineering.application.retrieval.filters import METADATA, filter_key
from llm_engineering.domain.access import Access
from llm_engineering.domain.ports import VectorIndex

# A field with more values than this (a title, say) is nothing to choose from; its most frequent ones are shown.
MOST_VALUES = 1_000
LONGEST_VALUE = 200


def count_values(index: VectorIndex, access: Access) -> dict[str, dict[str, int]]:
    """Return field, as a filter names it → value as text → passages, of what may be seen; most frequent first.

    The fields are `source` and the payload indexes of the version. One pass over the payloads, in bounded memory for
    fields that are fit to choose from.
    """
    fields = list(dict.fromkeys(("source", *index.manifest.payload_indexes)))
    counts: dict[str, Counter[str]] = {field: Counter() for field in fields}
    for payload in index.payloads(fields, access.condition):
        for field, counter in counts.items():
            value = _value(payload, field)
            if value is not None:
                counter[_as_text(value)] += 1
    return {filter_key(field): _most(counter) for field, counter in counts.items()}


def _value(payload: Mapping[str, object], field: str) -> object:
    if not field.startswith(METADATA):
        return payload.get(field)
    metadata = payload.get("metadata")
    return metadata.get(field.removeprefix(METADATA)) if isinstance(metadata, Mapping) else None


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _most(counter: Counter[str]) -> dict[str, int]:
    ordered = sorted(counter.items(), key=lambda pair: (-pair[1], pair[0]))
    return {value: count for value, count in ordered[:MOST_VALUES] if len(value) <= LONGEST_VALUE}

"""What a user's filter key means in the payload of a point: this is the one place that knows."""

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.queries import Filter
from llm_engineering.domain.value import Scalar

METADATA = "metadata."
# The fields of a point's payload beside its metadata. Any other key means a field of the metadata.
PAYLOAD_FIELDS = frozenset(
    {
        "document_id",
        "uri",
        "source",
        "title",
        "position",
        "start",
        "end",
        "text",
        "context",
        "tokens",
        "content_hash",
    }
)


def payload_filter(filter: Filter) -> Filter:
    """Return the filter with the keys that a point's payload has.

    `metadata.title` reaches a metadata field that is named like a payload field.

    >>> payload_filter({"course": "ml", "source": "faq", "metadata.title": "x"})
    {'metadata.course': 'ml', 'source': 'faq', 'metadata.title': 'x'}

    Raises:
        UsageError: a key is empty, or two keys mean the same field and ask for different values.
    """
    resolved: dict[str, Scalar] = {}
    for key, value in filter.items():
        field = payload_field(key)
        if resolved.setdefault(field, value) != value:
            raise UsageError(
                f"the filter asks {field!r} to be {resolved[field]!r} and {value!r} at once; name each field once"
            )
    return resolved


def payload_field(key: str) -> str:
    """Return the payload field that a filter key means."""
    if not key or key == METADATA:
        raise UsageError("a filter has an empty key; write it as key=value, for example source=documentation")
    return key if key in PAYLOAD_FIELDS or key.startswith(METADATA) else METADATA + key

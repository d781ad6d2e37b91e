"""What a user's filter key means in the payload of a point: this is the one place that knows."""

from collections.abc import Mapping

from llm_engineering.domain.conditions import And, Condition, Eq, Filter, In, Not, Or, Range, condition_of
from llm_engineering.domain.errors import UsageError

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


def payload_filter(filter: Filter | None) -> Condition:
    """Return the filter as a condition on the fields that a point's payload has.

    `metadata.title` reaches a metadata field that is named like a payload field.

    >>> payload_filter({"course": "ml"})
    And(op='and', conditions=(Eq(op='eq', field='metadata.course', value='ml'),))

    Raises:
        UsageError: a field is empty, or two keys of the short form mean the same field and ask for different values.
    """
    if isinstance(filter, Mapping):
        _check_agreement(filter)
    return _resolved(condition_of(filter))


def _check_agreement(filter: Mapping[str, object]) -> None:
    asked: dict[str, object] = {}
    for key, value in filter.items():
        field = payload_field(key)
        if asked.setdefault(field, value) != value:
            raise UsageError(
                f"the filter asks {field!r} to be {asked[field]!r} and {value!r} at once; name each field once"
            )


def _resolved(condition: Condition) -> Condition:
    match condition:
        case Eq() | In() | Range():
            return condition.model_copy(update={"field": payload_field(condition.field)})
        case And(conditions=parts):
            return And(conditions=tuple(_resolved(part) for part in parts))
        case Or(conditions=parts):
            return Or(conditions=tuple(_resolved(part) for part in parts))
        case Not(condition=denied):
            return Not(condition=_resolved(denied))


def payload_field(key: str) -> str:
    """Return the payload field that a filter key means."""
    if not key or key == METADATA:
        raise UsageError("a filter has an empty key; write it as key=value, for example source=documentation")
    return key if key in PAYLOAD_FIELDS or key.startswith(METADATA) else METADATA + key

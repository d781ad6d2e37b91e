"""What a user's filter key means in the payload of a point: this is the one place that knows."""

from collections.abc import Iterator, Mapping
from math import isfinite

from llm_engineering.domain.access import Access
from llm_engineering.domain.conditions import And, Condition, Eq, Filter, In, Not, Or, Range, both, condition_of
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.value import Scalar

METADATA = "metadata."
# A filter comes from outside: engines and parsers go through it by recursion, and each node costs a scan or an index.
DEEPEST, LARGEST = 10, 200
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
        UsageError: a field is empty, two keys of the short form mean the same field and ask for different values, or
            the filter is nested too deeply, too large, or asks for what is no number.
    """
    if isinstance(filter, Mapping):
        _check_agreement(filter)
    condition = condition_of(filter)
    _check_size(condition)
    return _resolved(condition)


def allowed(filter: Filter | None, access: Access) -> Condition:
    """Return the condition on payloads that a search is subject to: the caller's access, and within it the filter.

    The filter is checked and resolved by itself and stands beside the access under one `And`, so nothing in it, be it a
    negation, an alternative or a field's name, can let more through.
    """
    return both(access.condition, payload_filter(filter))


def _check_size(condition: Condition) -> None:
    """Refuse what would cost an engine more than a question is worth, without recursion."""
    nodes, level = 0, [condition]
    for _ in range(DEEPEST):
        nodes += sum(len(one.values) if isinstance(one, In) else 1 for one in level)
        if nodes > LARGEST:
            raise UsageError(f"the filter has more than {LARGEST} conditions and values; ask for less at once")
        level = [part for one in level for part in _parts(one)]
        if not level:
            return
    raise UsageError(f"the filter is nested more than {DEEPEST} levels deep; write it flatter")


def _parts(condition: Condition) -> Iterator[Condition]:
    match condition:
        case And(conditions=parts) | Or(conditions=parts):
            yield from parts
        case Not(condition=denied):
            yield denied
        case Eq(value=value):
            _check_value(value)
        case In(values=values):
            for value in values:
                _check_value(value)


def _check_value(value: Scalar) -> None:
    if isinstance(value, float) and not isfinite(value):
        raise UsageError(f"the filter asks for {value}, which no field can equal; use a number")
    if isinstance(value, str):
        _check_text(value)


def _check_text(text: str) -> None:
    """Refuse what no engine can be sent: half of a surrogate pair is no character, and UTF-8 cannot hold it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"the filter holds {text[:50]!a}, which is no Unicode text; send whole characters") from None


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


def filter_key(field: str) -> str:
    """Return the key by which a filter names a payload field.

    >>> filter_key("metadata.course"), filter_key("metadata.title")
    ('course', 'metadata.title')
    """
    name = field.removeprefix(METADATA)
    return field if name in PAYLOAD_FIELDS else name


def payload_field(key: str) -> str:
    """Return the payload field that a filter key means."""
    if not key or key == METADATA:
        raise UsageError("a filter has an empty key; write it as key=value, for example source=documentation")
    _check_text(key)
    return key if key in PAYLOAD_FIELDS or key.startswith(METADATA) else METADATA + key

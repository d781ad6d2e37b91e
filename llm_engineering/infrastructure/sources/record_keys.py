"""What identifies a record inside its endpoint, and which of its fields are good for filtering."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256

from llm_engineering.domain.documents import Metadata
from llm_engineering.domain.errors import SourceError
from llm_engineering.domain.value import Scalar
from llm_engineering.infrastructure.sources.records import Record

_SHORT = 200  # characters; a longer field is text and no property to filter by


class RecordKeys:
    """Makes the keys of the records of one endpoint: each is unique, and the same in every run.

    The fields are those that the user named; else the record's own `id`; else all plain fields but the longest text,
    which is the one that gets edited. (That is the field with the most characters over all records.) The second record
    with a key gets `#2` appended and so on, in the order of the document, so that nothing is lost.
    """

    def __init__(self, records: Sequence[Record], fields: Sequence[str]) -> None:
        self._fields = tuple(fields)
        self._text_field = _longest(records)
        self._used: set[str] = set()
        self._count: Counter[str] = Counter()

    def key_of(self, record: Record) -> str:
        """Return the key of the next record.

        Raises:
            SourceError: `missing_field`, the record lacks a field that the user named; it names the fields it has.
        """
        key = self._plain_key(record)
        self._count[key] += 1
        number = self._count[key]
        unique = key if number == 1 else f"{key}#{number}"
        while unique in self._used:  # somebody's own key ends in #2
            number += 1
            unique = f"{key}#{number}"
        self._used.add(unique)
        return unique

    def metadata_of(self, record: Record, fields: Sequence[str] | None) -> Metadata:
        """Return the named fields for filtering, whatever their length, or all short plain ones but the text."""
        plain = {name: value for name, value in record.fields.items() if isinstance(value, Scalar) and _is_json(value)}
        if fields is not None:
            return {name: plain[name] for name in fields if name in plain}
        return {name: value for name, value in plain.items() if name != self._text_field and _is_short(value)}

    def _plain_key(self, record: Record) -> str:
        missing = [name for name in self._fields if name not in record.fields]
        if missing:
            has = ", ".join(record.fields) or "none"
            raise SourceError("missing_field", f"the key needs {', '.join(missing)}; the record's fields are: {has}")
        names = self._fields or self._default_fields(record)
        values = [record.fields[name] for name in names]
        if len(values) == 1 and isinstance(values[0], str | int):
            return str(values[0])
        if values:
            return json.dumps(values, ensure_ascii=False, sort_keys=True)
        return sha256(str(record.fields.get(self._text_field, "")).encode()).hexdigest()[:16]

    def _default_fields(self, record: Record) -> tuple[str, ...]:
        if "id" in record.own and isinstance(record.fields["id"], str | int):
            return ("id",)
        return tuple(
            name for name, value in record.fields.items() if isinstance(value, Scalar) and name != self._text_field
        )


def _longest(records: Sequence[Record]) -> str:
    """Return the field with the most characters over all records; of equals the first by name."""
    lengths: Counter[str] = Counter()
    for record in records:
        lengths.update({name: len(value) for name, value in record.fields.items() if isinstance(value, str)})
    return min(lengths, key=lambda name: (-lengths[name], name), default="")


def _is_json(value: Scalar) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _is_short(value: Scalar) -> bool:
    return not isinstance(value, str) or len(value) <= _SHORT


def title_of(fields: Mapping[str, object]) -> str:
    """Return what is most likely the title of a record that has no title template."""
    candidates = (fields.get(name) for name in ("title", "question", "name", "heading"))
    return next((" ".join(value.split()) for value in candidates if isinstance(value, str) and value.strip()), "")

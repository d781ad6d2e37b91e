"""From the rows of a table or a query to documents: one shape for CSV, Parquet, JSON lines and SQL."""

import datetime
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from llm_engineering.domain.documents import Document, Item, Metadata, Rejection
from llm_engineering.domain.errors import SourceError
from llm_engineering.domain.value import Scalar, Value, digest
from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.incidents import incident
from llm_engineering.infrastructure.sources.record_keys import title_of
from llm_engineering.infrastructure.sources.row_templates import RowTemplate, all_columns, filled

_SHORT = 200  # characters; a longer value is text and no property to filter by
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class RowSettings(Value):
    """What becomes of a row."""

    template: RowTemplate = Field(
        "",
        description="the text of a document in Jinja2 (sandboxed), for example '{{ question }}\\n{{ answer }}'; every "
        "column is a name. Empty: all columns, a line each",
    )
    title: RowTemplate = Field("", description="the title in Jinja2; empty: the column title, question or name")
    key: tuple[str, ...] = Field(
        (),
        description="columns that identify a row; by default `id` where there is one, else the row's content, which "
        "makes an edited row a new document",
    )
    metadata: tuple[str, ...] | None = Field(
        None, description="columns kept for filtering; by default all short values that the template leaves plain"
    )
    row_number: bool = Field(
        False,
        description="keep the row's number as metadata `row`, too (it is always in the provenance). A row that is put "
        "in above then changes all below it",
    )


@dataclass(frozen=True, slots=True)
class Row:
    """A row with its place, such as `line 17`; `problem` is reason and detail of what is no row."""

    number: int
    place: str
    values: Mapping[str, Any] = field(default_factory=dict)
    problem: tuple[str, str] = ("", "")


@dataclass
class RowReader:
    """Makes documents of rows, each with a key of its own. Only the keys are kept in memory."""

    source: str
    uri: str
    settings: RowSettings
    context: SourceContext
    shared: Metadata = field(default_factory=dict)
    provenance: Metadata = field(default_factory=dict)
    lost: bool = False  # a row could not be read, so nobody knows which one it was
    _count: Counter[str] = field(default_factory=Counter)

    def items(self, rows: Iterator[Row]) -> Iterator[Item]:
        """Yield an item for each row."""
        for row in rows:
            yield self._item(row)

    def _item(self, row: Row) -> Item:
        if row.problem[0]:
            self.lost = True
            return incident(SourceError(*row.problem), self.uri, self.source, self._unique(row.place))
        values = {str(name): plain(value) for name, value in row.values.items()}
        key = row.place
        try:
            key = self._unique(self._key(values))
            text = filled(self.settings.template, values) if self.settings.template else all_columns(values)
            title = filled(self.settings.title, values) if self.settings.title else title_of(values)
        except SourceError as error:
            detail = SourceError(error.reason, f"{row.place}: {error}")
            return incident(detail, self.uri, self.source, key)
        if not text.strip():
            return Rejection(self.uri, self.source, "empty", f"{row.place}: the text of this row is empty", key=key)
        return Document(
            uri=self.uri,
            source=self.source,
            format="record",
            text=text,
            title=" ".join(title.split())[:500] or text.strip().split("\n")[0][:100],
            key=key,
            user_id=self.context.user_id,
            metadata={**self.context.authorship, **self.shared, **self._metadata(values, text, row)},
            provenance={**self.provenance, "row": row.number},
        )

    def _key(self, values: Mapping[str, Any]) -> str:
        missing = [name for name in self.settings.key if values.get(name) is None]
        if missing:
            has = ", ".join(values) or "none"
            raise SourceError("missing_field", f"the key needs {', '.join(missing)}; the columns are: {has}")
        names = self.settings.key or (("id",) if values.get("id") not in (None, "") else ())
        if not names:
            return digest({name: str(value) for name, value in values.items()})[:16]
        found = [values[name] for name in names]
        return str(found[0]) if len(found) == 1 else json.dumps(found, ensure_ascii=False, default=str)

    def _unique(self, key: str) -> str:
        """Return the key, with #2 and so on from the second row that has it."""
        self._count[key] += 1
        unique, number = key, self._count[key]
        while number > 1 and self._count.get(unique := f"{key}#{number}"):
            number += 1
        if number > 1:
            self._count[unique] += 1
        return unique

    def _metadata(self, values: Mapping[str, Any], text: str, row: Row) -> dict[str, Scalar]:
        number = {"row": row.number} if self.settings.row_number else {}
        scalars = {name: value for name, value in values.items() if isinstance(value, Scalar) and value != ""}
        if self.settings.metadata is not None:
            return {name: scalars[name] for name in self.settings.metadata if name in scalars} | number
        short = {name: v for name, v in scalars.items() if not isinstance(v, str) or len(v) <= _SHORT}
        return {name: value for name, value in short.items() if value != text and name} | number


def plain(value: Any) -> Any:
    """Return a value of a database or of Arrow as JSON can hold it: dates in ISO form, decimals and others as text;
    None for bytes that are no text, and for numbers that are none."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return _text_of(bytes(value))
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(inner) for inner in value]
    return str(value)


def _text_of(content: bytes) -> str | None:
    """Return bytes that are text, of any encoding; None for an image and the like, which nobody can read in a text."""
    from llm_engineering.infrastructure.parsers.text import decode

    if (text := _utf8(content)) is not None:
        return text
    try:
        return decode(content)
    except SourceError:
        return None


def _utf8(content: bytes) -> str | None:
    """Return bytes in UTF-8 as a text, or None if they are not in UTF-8, or hold signs that no text has."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    if _CONTROLS.search(text.rstrip("\x00")):  # some databases fill texts up with NULs
        return None
    return text.replace("\x00", "\ufffd")


def too_long(place: str, most: int) -> tuple[str, str]:
    """Return the problem of a row that is larger than allowed."""
    return "too_large", f"{place} is longer than max_row_bytes ({most:,} bytes)"

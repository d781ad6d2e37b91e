"""JSON endpoints and files: a document per record."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from llm_engineering.domain.documents import Document, Item, Rejection
from llm_engineering.domain.errors import SourceError
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.folders import open_regular
from llm_engineering.infrastructure.sources.incidents import incident
from llm_engineering.infrastructure.sources.naming import SourceName
from llm_engineering.infrastructure.sources.places import absent, is_remote, local_path, uri_of
from llm_engineering.infrastructure.sources.record_keys import RecordKeys, title_of
from llm_engineering.infrastructure.sources.records import Record, find_records, parse_json
from llm_engineering.infrastructure.sources.templates import fields_of, fill
from llm_engineering.infrastructure.sources.tenancy import Tenant


def _template(text: str) -> str:
    fields_of(text)  # a ValueError refuses the configuration
    return text


def _default_name(data: dict[str, Any]) -> str:
    return f"json:{uri_of(data.get('url', ''))}"


Template = Annotated[str, AfterValidator(_template)]


def _place(records: str) -> str:
    if records and not all(records.split(".")):
        raise ValueError(f"{records!r} is no place of records; write documents, or data.items for a level deeper")
    return records


class JsonEndpoint(Value):
    """A JSON endpoint, or a local JSON file, with records: a document per record.

    It is fetched whole in every run. A 304 would say that nothing changed, but not which records there are, and those
    that are not named count as deleted; the records are compared by their content anyway.
    """

    kind: Literal["json"] = "json"
    url: str = Field(min_length=1, description="http(s) address, or path of a local file; secrets as ${env:NAME}")
    template: Template = Field(
        min_length=1, description='the text of a document, for example "{course} {section} {question} {text}"'
    )
    title: Template = Field("", description="template of the title; empty means the field title, question or name")
    records: Annotated[str, AfterValidator(_place)] = Field(
        "",
        description="where the records are: empty for a top-level list; `documents` for a list under that key in each "
        "top-level item, whose plain fields the records inherit; `data.items` a level deeper",
    )
    key: tuple[str, ...] = Field(
        (), description="fields that identify a record; by default `id`, else all plain fields but the longest text"
    )
    metadata: tuple[str, ...] | None = Field(
        None, description="fields kept for filtering; by default the short plain ones"
    )
    max_bytes: int = Field(100_000_000, gt=0, description="of the whole JSON document")
    name: SourceName = Field(
        default_factory=_default_name,
        description="what the documents are kept under; json:URL by default. Another name is another source",
    )
    tenant: Tenant = None

    def open(self, context: SourceContext) -> "JsonSource":
        """Open the source; nothing is fetched yet."""
        return JsonSource(self.name, self, context)


@dataclass
class JsonSource:
    """Reads the records in the order of the endpoint."""

    name: str
    spec: JsonEndpoint
    context: SourceContext
    kind: str = "json"
    keeps_unshown: bool = False  # what is no record may be one that is stored: it does not say which one

    def read(self) -> Iterator[Item]:
        from llm_engineering.infrastructure.parsers.text import decode

        uri = uri_of(self.spec.url)
        records, problem = find_records(_parsed(decode(self._bytes())), self.spec.records)
        if not records:
            raise SourceError(*(("wrong_shape", problem) if problem else ("empty_source", f"{uri} holds no record")))
        keys = RecordKeys(records, self.spec.key)
        self.keeps_unshown = any(record.problem for record in records)
        for record in records:
            yield self._item(record, keys, uri)
        if problem:  # what is missing here is not gone
            raise SourceError("wrong_shape", problem)

    def _item(self, record: Record, keys: RecordKeys, uri: str) -> Item:
        if record.problem:
            return Rejection(uri, self.name, "wrong_shape", record.problem, key=record.place)
        key = record.place
        try:
            key = keys.key_of(record)
            text = fill(self.spec.template, record.fields)
            title = fill(self.spec.title, record.fields) if self.spec.title else title_of(record.fields)
        except SourceError as error:
            return incident(error, uri, self.name, key)
        if not text.strip():
            return Rejection(uri, self.name, "empty", "all fields of the template are empty in this record", key=key)
        metadata = keys.metadata_of(record, self.spec.metadata)
        return Document(
            uri=uri,
            source=self.name,
            format="record",
            text=text,
            title=title.strip(),
            key=key,
            user_id=self.context.user_id,
            metadata={**self.context.authorship, **metadata},
        )

    def _bytes(self) -> bytes:
        if is_remote(self.spec.url):
            from llm_engineering.infrastructure.http.client import JSON

            address = self.context.address(self.spec.url)
            return self.context.client.get(address, accept=JSON, max_bytes=self.spec.max_bytes).content
        path = local_path(self.spec.url)
        try:
            with open_regular(path) as file:
                raw = file.read(self.spec.max_bytes + 1)
        except FileNotFoundError as error:
            message = f"{absent(self.spec.url, path)}; give a file or an http(s) address as `url`"
            raise SourceError("missing", message) from error
        except OSError as error:
            raise SourceError("unreadable", f"{path} cannot be read: {error.strerror or error}") from error
        if len(raw) > self.spec.max_bytes:
            raise SourceError("too_large", f"{path} is larger than max_bytes ({self.spec.max_bytes:,} bytes)")
        return raw


def _parsed(text: str) -> Any:
    try:
        return parse_json(text)
    except SourceError as error:
        if "Extra data" not in str(error):
            raise
        advice = "JSON lines, an object on each line, are read by kind: table with format: jsonl"
        raise SourceError(error.reason, f"{error}; {advice}") from error

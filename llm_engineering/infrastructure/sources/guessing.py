"""Which source a place is: told from its address, or given its kind."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.functions import FUNCTION
from llm_engineering.domain.secrets import redact
from llm_engineering.infrastructure.sources import SourceSpec
from llm_engineering.infrastructure.sources.crawl import source_for_link
from llm_engineering.infrastructure.sources.formats import suffix_of
from llm_engineering.infrastructure.sources.objects import PROTOCOLS
from llm_engineering.infrastructure.sources.places import is_remote
from llm_engineering.infrastructure.sources.table import TABLES

# Where each kind has its place, if not in `url`.
_FIELDS = {"files": "root", "pdf": "root", "mailbox": "path", "web": "urls", "python": "function"}
_SITEMAP = re.compile(r"(?i)(^|/)[\w.-]*sitemap[\w.-]*\.(xml|txt)(\.gz)?$")
_FEED = re.compile(r"(?i)(\.(rss|atom|rdf)|(^|/)(feed|rss|atom)s?(\.xml)?/?)$")
_SCHEME = re.compile(r"^([a-z][a-z0-9]*)(\+[a-z0-9_]+)?://")
_NO_DATABASES = ("http", "https", "file", "ssh", "git", "ftp", "ftps", "sftp", "ws", "wss")


def source_at(place: str, settings: Mapping[str, Any]) -> SourceSpec:
    """Return the source of a place, with the given settings; `kind` among them overrides what its address tells.

    Raises:
        UsageError: a setting is wrong or missing; the message names it.
        SourceError: `bad_url`, `missing`: nothing reads such a place.
    """
    kind = str(settings.get("kind", "")) or _kind(place)
    if not kind:
        known = source_for_link(place)
        given = {**known.model_dump(exclude_unset=True), "kind": known.kind, **settings}
    else:
        name = _FIELDS.get(kind, "url")
        given = {name: (place,) if name == "urls" else place, "kind": kind, **settings}
    adapter: TypeAdapter[SourceSpec] = TypeAdapter(SourceSpec)
    try:
        return adapter.validate_python(given)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        # A name that cannot be made of a wrong setting is no mistake of its own.
        mistakes = "; ".join(_said(each) for each in found if each["type"] != "default_factory_not_called")
        raise UsageError(f"{redact(place)} as kind {kind or given['kind']!r}: {mistakes}") from None


def _said(mistake: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in mistake["loc"][1:]) or "kind"
    if mistake["type"] == "extra_forbidden":
        return f"{where!r} is no setting of this kind; docs/sources.md has those that are"
    return f"{where}: {mistake['msg'].removeprefix('Value error, ')} (--with {where}=…)"


def _kind(place: str) -> str:
    """Return the kind that an address tells, or nothing if it is one of a page, a repository, a file or a folder."""
    scheme = _SCHEME.match(place)
    if scheme and scheme.group(1) in PROTOCOLS:
        return "objects"
    if scheme and scheme.group(1) not in _NO_DATABASES:
        return "sql"
    path = urlsplit(place).path if is_remote(place) else place
    if suffix_of(path) in TABLES:
        return "table"
    if suffix_of(path) in (".mbox", ".mbx"):
        return "mailbox"
    if is_remote(place):
        return "sitemap" if _SITEMAP.search(path) else "feed" if _FEED.search(path) else ""
    is_function = re.match(FUNCTION, place) is not None and not Path(place).exists()
    return "python" if is_function else ""

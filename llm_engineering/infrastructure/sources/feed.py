"""RSS and Atom feeds: a document per entry, its article fetched or its own text."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urljoin

from pydantic import Field

from llm_engineering.domain.documents import Document, Item, Rejection
from llm_engineering.domain.errors import SourceError
from llm_engineering.domain.secrets import redact
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.incidents import incident
from llm_engineering.infrastructure.sources.naming import SourceName
from llm_engineering.infrastructure.sources.pages import Pages
from llm_engineering.infrastructure.sources.tenancy import Tenant

_ACCEPT = "application/rss+xml,application/atom+xml,application/xml;q=0.9,text/xml;q=0.9,*/*;q=0.1"


def _default_name(data: dict[str, Any]) -> str:
    return f"feed:{redact(data.get('url', ''))}"


class Feed(Value):
    """A feed, RSS or Atom. A feed shows its last entries only, so what it no longer shows is kept by default."""

    kind: Literal["feed"] = "feed"
    url: str = Field(min_length=1, description="http(s) address of the feed; secrets as ${env:NAME}")
    full: bool = Field(True, description="fetch the article of each entry; false takes the text that is in the feed")
    keep: bool = Field(True, description="keep the documents of entries that the feed has dropped")
    max_entries: int = Field(1000, gt=0, description="the first so many of the feed are read")
    name: SourceName = Field(
        default_factory=_default_name,
        description="what the documents are kept under; feed:URL by default. Another name is another source",
    )
    tenant: Tenant = None

    def open(self, context: SourceContext) -> "FeedSource":
        """Open the source; nothing is fetched yet."""
        return FeedSource(self.name, self, context, keeps_unshown=self.keep)


@dataclass
class FeedSource:
    """Reads the entries in the order of the feed."""

    name: str
    spec: Feed
    context: SourceContext
    keeps_unshown: bool = False
    kind: str = "feed"

    def read(self) -> Iterator[Item]:
        shown = redact(self.spec.url)
        response = self.context.client.get(self.context.address(self.spec.url), accept=_ACCEPT)
        feed = self.context.documents.read("feed", response.content)
        if not feed["entries"]:
            raise SourceError("empty_source", f"the feed {shown} has no entry; what is indexed stays")
        self.keeps_unshown = self.spec.keep or not feed["whole"]
        seen: set[tuple[str, str]] = set()
        pages = Pages(self.name, self.context)
        for number, entry in enumerate(feed["entries"][: self.spec.max_entries], start=1):
            item = self._item(pages, entry, response.url, shown, feed["title"], number)
            if (place := (item.uri, item.key)) not in seen:
                seen.add(place)
                yield item

    def _item(self, pages: Pages, entry: Mapping[str, Any], base: str, shown: str, feed: str, number: int) -> Item:
        from llm_engineering.infrastructure.http.urls import normalised

        said = {"feed": feed, "date": entry["date"], "author": entry["author"]}
        metadata = {name: value for name, value in said.items() if value}
        key = entry["id"] or f"entry {number}"
        try:
            url = normalised(urljoin(base, entry["link"])) if entry["link"] else ""
        except (SourceError, ValueError) as error:
            return Rejection(shown, self.name, "bad_url", f"the link of {key[:200]!r} is none: {error}", key=key)
        if self.spec.full and url:
            return pages.item(url, metadata)
        return self._own(entry, metadata, url or shown, "" if url else key)

    def _own(self, entry: Mapping[str, Any], metadata: Mapping[str, Any], uri: str, key: str) -> Item:
        """Return an entry with the text that stands in the feed itself."""
        try:
            text = self.context.parser.parse(entry["html"], uri).text if entry["html"] else ""
        except SourceError as error:
            return incident(error, uri, self.name, key)
        if not text.strip():
            return Rejection(
                uri, self.name, "empty", "the entry has no text; set full: true to fetch its page", key=key
            )
        return Document(
            uri=uri,
            source=self.name,
            format="markdown",
            text=text,
            title=entry["title"] or text.strip().split("\n")[0][:100],
            key=key,
            user_id=self.context.user_id,
            metadata={**metadata, "url": uri, **self.context.authorship},
        )

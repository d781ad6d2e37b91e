"""Web articles: a document per URL, the main content as Markdown."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from llm_engineering.domain.documents import Document, Item, NotModified, document_id
from llm_engineering.domain.errors import SourceError
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.sources.articles import read_article
from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.incidents import incident
from llm_engineering.infrastructure.sources.naming import SourceName
from llm_engineering.infrastructure.sources.tenancy import Tenant

if TYPE_CHECKING:
    from llm_engineering.infrastructure.http import Response


class Web(Value):
    """Articles on the web, each fetched politely: robots.txt, pauses, conditional requests.

    A document is known under the URL that was asked for, in its normal spelling. Only so can the next run ask whether
    it changed, and no page can pass itself off as another one. What a page claims as its canonical URL is kept in the
    metadata as `url` if it is at the same host, else the URL that the redirects ended at.
    """

    kind: Literal["web"] = "web"
    urls: tuple[str, ...] = Field(min_length=1, description="http(s) addresses of articles; secrets as ${env:NAME}")
    name: SourceName = Field("web", description="what the documents are kept under. Another name is another source")
    tenant: Tenant = None

    def open(self, context: SourceContext) -> "WebSource":
        """Open the source; nothing is fetched yet."""
        return WebSource(self.name, self, context)


@dataclass
class WebSource:
    """Reads the articles in the order given, each URL once."""

    name: str
    spec: Web
    context: SourceContext
    kind: str = "web"

    def read(self) -> Iterator[Item]:
        from llm_engineering.infrastructure.http.urls import normalised

        seen: set[str] = set()
        for given in self.spec.urls:
            try:
                url = normalised(given)
            except SourceError as error:
                item: Item = incident(error, given, self.name)
            else:
                if url in seen:
                    continue
                item = self._item(given, url)
            if item.uri not in seen:
                seen.add(item.uri)
                yield item

    def _item(self, given: str, url: str) -> Item:
        known = self.context.known(document_id(self.name, url)) or {}
        same_reader = known.get("reader") == self.context.reader
        try:
            response = self.context.client.get(self.context.address(given), known=known if same_reader else None)
            if response.not_modified:
                return NotModified(url, self.name)
            return self._document(url, response)
        except SourceError as error:
            return incident(error, url, self.name)

    def _document(self, url: str, response: "Response") -> Document:
        """Read the response.

        Raises:
            SourceError: it is no document: `content_type`, `binary`, `empty`, `blocked`, `paywall`, `not_found` …
        """
        article = read_article(response, self.context)
        return Document(
            uri=url,
            source=self.name,
            format=article.format,
            text=article.text,
            title=article.title,
            user_id=self.context.user_id,
            metadata={**self.context.authorship, **article.metadata},
            provenance={**response.validators, "reader": self.context.reader, **article.provenance},
        )

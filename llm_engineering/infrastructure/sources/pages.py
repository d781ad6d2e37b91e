"""Fetches single pages for the sources that find their addresses themselves: sitemaps, sites and feeds."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from llm_engineering.domain.documents import Document, Item, Metadata, NotModified, document_id
from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.sources.articles import read_article
from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.incidents import incident

if TYPE_CHECKING:
    from llm_engineering.infrastructure.http import Response


@dataclass
class Pages:
    """Makes an item of each page, for one source."""

    source: str
    context: SourceContext

    def known(self, url: str) -> Metadata:
        """Return the provenance of the stored page, if this very reader made it."""
        found = self.context.known(document_id(self.source, url)) or {}
        return found if found.get("reader") == self.context.reader else {}

    def item(self, url: str, metadata: Metadata | None = None, provenance: Metadata | None = None) -> Item:
        """Fetch a page, conditionally if it is known, and return what became of it."""
        try:
            response = self.context.client.get(url, known=self.known(url) or None)
            if response.not_modified:
                return NotModified(url, self.source)
            return self.document(url, response, metadata, provenance)
        except SourceError as error:
            return incident(error, url, self.source)

    def document(
        self, url: str, response: "Response", metadata: Metadata | None = None, provenance: Metadata | None = None
    ) -> Document:
        """Read a response.

        Raises:
            SourceError: it is no document.
        """
        article = read_article(response, self.context)
        return Document(
            uri=url,
            source=self.source,
            format=article.format,
            text=article.text,
            title=article.title,
            user_id=self.context.user_id,
            metadata={**self.context.authorship, **(metadata or {}), **article.metadata},
            provenance={
                **response.validators,
                "reader": self.context.reader,
                **(provenance or {}),
                **article.provenance,
            },
        )


def host_of(url: str) -> str:
    """Return the host of a URL with its port, so that a site is one place."""
    from urllib.parse import urlsplit

    try:
        return urlsplit(url).netloc.rpartition("@")[2].removeprefix("www.").lower()
    except ValueError:
        return ""

"""Sitemaps: the pages that a site lists itself, each an article."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from loguru import logger
from pydantic import Field

from llm_engineering.domain.documents import Item, NotModified, Rejection
from llm_engineering.domain.errors import SourceError
from llm_engineering.domain.secrets import redact
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.globs import matches_any
from llm_engineering.infrastructure.sources.incidents import incident, is_failure
from llm_engineering.infrastructure.sources.naming import SourceName
from llm_engineering.infrastructure.sources.pages import Pages, host_of
from llm_engineering.infrastructure.sources.tenancy import Tenant

_MOST_SITEMAPS = 1000
_ACCEPT = "application/xml,text/xml,text/plain;q=0.8,*/*;q=0.1"


def _default_name(data: dict[str, Any]) -> str:
    return f"sitemap:{redact(data.get('url', ''))}"


class Sitemap(Value):
    """The pages that a sitemap lists, also through an index of sitemaps, plain or gzipped. Only pages of its own host.

    A page whose `lastmod` is the stored one is not fetched again; the others are asked for conditionally.
    """

    kind: Literal["sitemap"] = "sitemap"
    url: str = Field(min_length=1, description="address of the sitemap, or of the site, whose robots.txt names them")
    include: tuple[str, ...] = Field(("**",), description="patterns of paths to read, for example [docs/**]")
    exclude: tuple[str, ...] = Field((), description="patterns of paths to leave out")
    max_pages: int = Field(10_000, gt=0, description="the first so many are read, and it is logged that there are more")
    max_depth: int = Field(3, ge=0, description="of sitemaps that name sitemaps")
    trust_lastmod: bool = Field(True, description="do not fetch a page whose lastmod has not changed")
    name: SourceName = Field(
        default_factory=_default_name,
        description="what the documents are kept under; sitemap:URL by default. Another name is another source",
    )
    tenant: Tenant = None

    def open(self, context: SourceContext) -> "SitemapSource":
        """Open the source; nothing is fetched yet."""
        return SitemapSource(self.name, self, context)


@dataclass
class SitemapSource:
    """Reads the pages in the order of the sitemaps, each once."""

    name: str
    spec: Sitemap
    context: SourceContext
    kind: str = "sitemap"

    def read(self) -> Iterator[Item]:
        from llm_engineering.infrastructure.http.urls import normalised

        pages, seen, read = Pages(self.name, self.context), set[str](), 0
        lost: list[str] = []
        for found in self._listed(lost):
            if not isinstance(found, tuple):
                yield found
                continue
            given, changed = found
            try:
                url = normalised(given)
            except SourceError as error:
                if given not in seen:
                    seen.add(given)
                    yield incident(error, given, self.name)
                continue
            path = urlsplit(url).path.lstrip("/")
            if url in seen or not matches_any(path, self.spec.include) or matches_any(path, self.spec.exclude):
                continue
            seen.add(url)
            if read >= self.spec.max_pages:
                logger.warning("{}: the sitemap lists more than max_pages ({})", self.name, self.spec.max_pages)
                break
            read += 1
            yield self._item(pages, url, changed)
        if lost:
            raise SourceError("incomplete", f"these sitemaps could not be read, so pages are missing: {lost[0]}")
        if not seen:
            raise SourceError("empty_source", f"{redact(self.spec.url)} lists no page that matches; see include")

    def _item(self, pages: Pages, url: str, changed: str) -> Item:
        if host_of(url) != host_of(self.spec.url):
            detail = (
                f"the sitemap of {host_of(self.spec.url)} lists a page of {host_of(url)}; give it a source of its own"
            )
            return Rejection(url, self.name, "outside", detail)
        if changed and self.spec.trust_lastmod and pages.known(url).get("lastmod") == changed:
            return NotModified(url, self.name)
        return pages.item(url, provenance={"lastmod": changed} if changed else {})

    def _listed(self, lost: list[str]) -> Iterator[tuple[str, str] | Item]:
        """Yield address and last change of each page, sitemap by sitemap; a sitemap is read once, loops end there."""
        from llm_engineering.infrastructure.http.urls import normalised

        waiting = deque((start, 0) for start in self._starts())
        seen: set[str] = set()
        while waiting:
            given, depth = waiting.popleft()
            try:
                url = normalised(given)
                if url in seen:
                    continue
                seen.add(url)
                self._check(url, depth, len(seen))
                found = self._sitemap(given)
            except SourceError as error:
                if not depth and len(seen) <= 1 and not waiting:
                    raise  # it is the only one: the source as a whole cannot be read
                if is_failure(error.reason) or error.reason in ("unparsable", "too_large"):
                    lost.append(f"{redact(given)}: {error}")
                yield incident(error, redact(given), self.name)
                continue
            waiting.extend((inner, depth + 1) for inner in found["sitemaps"])
            yield from ((page, changed) for page, changed in found["pages"])

    def _check(self, url: str, depth: int, count: int) -> None:
        if count > _MOST_SITEMAPS or depth > self.spec.max_depth:
            raise SourceError("too_deep", f"sitemaps within sitemaps end here (max_depth {self.spec.max_depth})")
        if host_of(url) != host_of(self.spec.url):
            raise SourceError("outside", f"the sitemap of {host_of(self.spec.url)} names one of another host")

    def _sitemap(self, url: str) -> Any:
        response = self.context.client.get(self.context.address(url), accept=_ACCEPT)
        return self.context.documents.read("sitemap", response.content)

    def _starts(self) -> list[str]:
        """Return the sitemap, or those that the site's robots.txt names, or the usual place."""
        parts = urlsplit(self.spec.url)
        if parts.path.strip("/"):
            return [self.spec.url]
        site = f"{parts.scheme}://{parts.netloc}"
        try:
            rules = self.context.client.get(self.context.address(f"{site}/robots.txt"), accept="text/plain").content
        except SourceError:
            return [f"{site}/sitemap.xml"]
        lines = rules.decode("utf-8", "replace").splitlines()
        named = [line.partition(":")[2].strip() for line in lines if line.strip().lower().startswith("sitemap:")]
        return list(dict.fromkeys(named)) or [f"{site}/sitemap.xml"]

"""Whole sites within a path: from page to page along the links, each page an article."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from loguru import logger
from pydantic import Field

from llm_engineering.domain.documents import Item
from llm_engineering.domain.errors import SourceError
from llm_engineering.domain.secrets import redact
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.globs import matches_any
from llm_engineering.infrastructure.sources.incidents import incident, is_failure
from llm_engineering.infrastructure.sources.naming import SourceName
from llm_engineering.infrastructure.sources.pages import Pages, host_of
from llm_engineering.infrastructure.sources.tenancy import Tenant

_NO_PAGES = (
    "*.png", "*.jpg", "*.jpeg", "*.gif", "*.svg", "*.webp", "*.ico", "*.css", "*.js", "*.mjs", "*.json", "*.xml",
    "*.zip", "*.gz", "*.tar", "*.exe", "*.dmg", "*.mp3", "*.mp4", "*.webm", "*.woff", "*.woff2", "*.ttf",
)  # fmt: skip
_HTML = ("text/html", "application/xhtml+xml", "")
_WAITING = 100_000  # addresses that are remembered to be read; a trap of endless links ends here


def _default_name(data: dict[str, Any]) -> str:
    return f"site:{redact(data.get('url', ''))}"


class Site(Value):
    """A site, or a part of it: the page at `url`, and what it links to below its folder on the same host.

    Each page is known under its one spelling; where it names a canonical address inside the part, under that. Every
    page is fetched in every run, because an unchanged page (304) would not show its links; a sitemap is politer.
    """

    kind: Literal["site"] = "site"
    url: str = Field(min_length=1, description="where to begin; only what lies below its folder is read")
    within: str = Field("", description="the path that pages must begin with; empty: the folder of `url`")
    include: tuple[str, ...] = Field(
        ("**",), description="patterns of paths that become documents; others lead on only"
    )
    exclude: tuple[str, ...] = Field(_NO_PAGES, description="patterns of paths that are not fetched at all")
    max_pages: int = Field(500, gt=0, description="fetched in all; that there are more is logged")
    max_depth: int = Field(10, ge=0, description="links away from the first page")
    follow_queries: bool = Field(False, description="fetch addresses with a ?query too; calendars have endless ones")
    name: SourceName = Field(
        default_factory=_default_name,
        description="what the documents are kept under; site:URL by default. Another name is another source",
    )
    tenant: Tenant = None

    def open(self, context: SourceContext) -> "SiteSource":
        """Open the source; nothing is fetched yet."""
        return SiteSource(self.name, self, context)


@dataclass
class _Crawl:
    """What was seen, what waits, and what was shown as a document."""

    waiting: deque[tuple[str, int]] = field(default_factory=deque)
    seen: set[str] = field(default_factory=set)
    shown: set[str] = field(default_factory=set)
    lost: list[str] = field(default_factory=list)

    def add(self, url: str, depth: int) -> None:
        if url not in self.seen and len(self.seen) < _WAITING:
            self.seen.add(url)
            self.waiting.append((url, depth))


@dataclass
class SiteSource:
    """Reads pages in the order in which they are found, breadth first."""

    name: str
    spec: Site
    context: SourceContext
    kind: str = "site"

    def read(self) -> Iterator[Item]:
        from llm_engineering.infrastructure.http.urls import normalised

        start = normalised(self.spec.url)
        crawl, fetched = _Crawl(), 0
        crawl.add(start, 0)
        while crawl.waiting:
            if fetched >= self.spec.max_pages:
                logger.warning("{}: {} pages wait beyond max_pages ({})", self.name, len(crawl.waiting), fetched)
                break
            url, depth = crawl.waiting.popleft()
            fetched += 1
            for item in self._page(crawl, url, depth, self.spec.url if url == start else url):
                crawl.shown.add(item.uri)
                yield item
        if crawl.lost:
            raise SourceError(
                "incomplete", f"{len(crawl.lost)} pages could not be fetched, nor what they link to: {crawl.lost[0]}"
            )

    def _page(self, crawl: _Crawl, url: str, depth: int, address: str) -> Iterator[Item]:
        try:
            response = self.context.client.get(self.context.address(address))
            here = self._settled(crawl, url, response.url)
            if here is None:
                return
            rules = self._links(response, here)
        except SourceError as error:
            if depth == 0:
                raise  # nothing of the site could be read
            if is_failure(error.reason):
                crawl.lost.append(f"{url}: {error}")
            yield incident(error, url, self.name)
            return
        for link in rules["links"] if depth < self.spec.max_depth else ():
            if (target := self._inside(link)) is not None:
                crawl.add(target, depth + 1)
        if rules["noindex"] or not matches_any(urlsplit(here).path.lstrip("/"), self.spec.include):
            return
        document_url = self._canonical(crawl, here, rules["canonical"])
        if document_url in crawl.shown:
            return
        try:
            yield Pages(self.name, self.context).document(document_url, response)
        except SourceError as error:
            yield incident(error, document_url, self.name)

    def _settled(self, crawl: _Crawl, url: str, end: str) -> str | None:
        """Return where a page really is, or None if that was read before, or lies outside."""
        from llm_engineering.infrastructure.http.urls import normalised

        here = normalised(end)
        if here == url:
            return url
        if here in crawl.seen:
            return None
        crawl.seen.add(here)
        if self._inside(here) is None:
            raise SourceError("outside", f"{url} redirects to {here}, outside of {self._within()}")
        return here

    def _canonical(self, crawl: _Crawl, here: str, claimed: str) -> str:
        """Return the address that a page is known under: what it claims, if that lies inside, and is no other page."""
        target = self._inside(claimed) if claimed else None
        if target is None or target == here:
            return here
        if target in crawl.seen:  # the page there is read for itself, or was
            return target if target in crawl.shown else here
        crawl.seen.add(target)
        return target

    def _links(self, response: Any, url: str) -> Any:
        if response.content_type not in _HTML:
            return {"links": [], "canonical": "", "noindex": False}
        from llm_engineering.infrastructure.parsers.html import decode_html

        text = decode_html(response.content, response.charset)
        return self.context.documents.read("links", text.encode("utf-8", "replace"), url=url)

    def _inside(self, link: str) -> str | None:
        """Return the one spelling of a link that belongs to the part of the site, or None."""
        from llm_engineering.infrastructure.http.urls import normalised

        try:
            url = normalised(link)
        except SourceError:
            return None
        parts = urlsplit(url)
        is_inside = host_of(url) == host_of(self.spec.url) and parts.path.startswith(self._within())
        is_wanted = not matches_any(parts.path.lstrip("/"), self.spec.exclude) and len(url) <= 2000
        return url if is_inside and is_wanted and (self.spec.follow_queries or not parts.query) else None

    def _within(self) -> str:
        return self.spec.within or (urlsplit(self.spec.url).path.rpartition("/")[0] + "/")

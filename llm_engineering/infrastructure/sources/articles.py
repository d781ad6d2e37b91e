"""From an HTTP response to an article: which content types are read, and what is kept of what a page says of itself."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from llm_engineering.domain.errors import SourceError
from llm_engineering.domain.secrets import redact
from llm_engineering.infrastructure.sources.contents import Content, title_in
from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.formats import format_of

if TYPE_CHECKING:
    from llm_engineering.infrastructure.http import Response

_HTML = frozenset({"text/html", "application/xhtml+xml"})
_TEXT = frozenset({"text/plain", "text/markdown", "text/x-markdown"})
_HTML_BEGINNINGS = ("<!doctype html", "<html", "<head", "<body", "<?xml", "<!--")


def read_article(response: "Response", context: SourceContext) -> Content:
    """Read a response as an article.

    Raises:
        SourceError: it is none: `content_type`, `binary`, `empty`, `blocked`, `paywall`, `not_found`, `unparsable`.
    """
    from llm_engineering.infrastructure.parsers.html import decode_html

    media_type = response.content_type
    if media_type and media_type not in _HTML | _TEXT:
        raise SourceError("content_type", f"{response.url} is {media_type}; HTML, Markdown and plain text are read")
    text = decode_html(response.content, response.charset)
    if media_type in _HTML or (not media_type and text.lstrip().lower().startswith(_HTML_BEGINNINGS)):
        return _page(text, response.url, context)
    path = urlsplit(response.url).path
    text_format = "markdown" if "markdown" in media_type else format_of(path)[0]
    return Content(text, text_format, title_in(text, text_format) or path.rpartition("/")[2], _place(response.url))


def _page(html: str, url: str, context: SourceContext) -> Content:
    page = context.parser.parse(html, url)
    if page.verdict is not None:
        raise SourceError(page.verdict.reason, f"{url}: {page.verdict.detail}")
    said = {"author": page.author, "date": page.date, "site": page.site}
    return Content(
        text=page.text,
        format="markdown",
        title=page.title,
        metadata={**_place(_believed(page.canonical, url)), **{name: value for name, value in said.items() if value}},
        provenance=page.provenance,
    )


def _place(url: str) -> dict[str, str]:
    return {"url": redact(url), "hostname": urlsplit(url).hostname or ""}


def _believed(canonical: str, url: str) -> str:
    """Return the URL that a page claims if it is one of the same host, else where the page was really found."""
    from llm_engineering.infrastructure.http.urls import normalised

    if not canonical:
        return url
    try:
        claimed = normalised(canonical)
    except SourceError:
        return url
    return claimed if _host(claimed) == _host(url) else url


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").removeprefix("www.")

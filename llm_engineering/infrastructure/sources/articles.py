"""From an HTTP response to an article: which content types are read, and what is kept of what a page says of itself."""

from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from llm_engineering.domain.errors import SourceError
from llm_engineering.domain.secrets import redact
from llm_engineering.infrastructure.sources.contents import Content, read_foreign, title_in
from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.formats import FOREIGN, format_of, suffix_of

if TYPE_CHECKING:
    from llm_engineering.infrastructure.http import Response

_HTML = frozenset({"text/html", "application/xhtml+xml"})
_TEXT = frozenset({"text/plain", "text/markdown", "text/x-markdown"})
# What is read as files are, by its ending. A server that says nothing better is believed by the ending of the path.
_FOREIGN = {
    "application/pdf": ".pdf",
    "application/epub+zip": ".epub",
    "application/x-ipynb+json": ".ipynb",
    "message/rfc822": ".eml",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.oasis.opendocument.spreadsheet": ".ods",
    "application/vnd.oasis.opendocument.presentation": ".odp",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.ms-word.document.macroenabled.12": ".docm",
    "application/vnd.ms-powerpoint.presentation.macroenabled.12": ".pptm",
    "application/vnd.ms-excel.sheet.macroenabled.12": ".xlsm",
}
_UNSAID = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/zip"})
_HTML_BEGINNINGS = ("<!doctype html", "<html", "<head", "<body", "<?xml", "<!--")


def read_article(response: "Response", context: SourceContext) -> Content:
    """Read a response as an article.

    Raises:
        SourceError: it is none: `content_type`, `binary`, `empty`, `blocked`, `paywall`, `not_found`, `unparsable`.
    """
    from llm_engineering.infrastructure.parsers.html import decode_html

    media_type = response.content_type
    path = PurePosixPath(urlsplit(response.url).path)
    by_name = suffix_of(path.name) if suffix_of(path.name) in FOREIGN and media_type in _UNSAID else ""
    if suffix := _FOREIGN.get(media_type, by_name):
        content = read_foreign(response.content, suffix, path.stem, context)
        return replace(content, metadata={**_place(response.url), **content.metadata})
    if media_type and media_type not in _HTML | _TEXT:
        advice = "; a sitemap is read by kind: sitemap, a feed by kind: feed" if media_type.endswith("xml") else ""
        known = "HTML, Markdown, plain text, PDF and office files are read"
        raise SourceError("content_type", f"{response.url} is {media_type}; {known}{advice}")
    text = decode_html(response.content, response.charset)
    if media_type in _HTML or (not media_type and text.lstrip().lower().startswith(_HTML_BEGINNINGS)):
        return _page(text, response.url, context)
    text_format = "markdown" if "markdown" in media_type else format_of(path.name)[0]
    return Content(text, text_format, title_in(text, text_format) or path.name, _place(response.url))


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

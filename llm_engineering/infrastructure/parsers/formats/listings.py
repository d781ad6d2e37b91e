"""What points at pages: sitemaps, RSS and Atom feeds, and the links of an HTML page."""

import gzip
import zlib
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import Any
from urllib.parse import urljoin

from llm_engineering.infrastructure.parsers.formats import Unreadable
from llm_engineering.infrastructure.parsers.formats.archive import local, parse_xml

_MOST_BYTES = 64 * 1024 * 1024  # unpacked; the protocol of sitemaps says 50 MB
_MOST_LINKS = 20_000
_CONTENT = ("encoded", "content", "description", "summary")


def read_sitemap(raw: bytes) -> dict[str, Any]:
    """Return the `pages` of a sitemap as [address, last change], and the `sitemaps` that an index names.

    A sitemap may also be plain text with an address on each line.

    Raises:
        Unreadable: `unparsable`, `too_large`.
    """
    content = _unpacked(raw)
    if not content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        lines = [line.strip() for line in content.decode("utf-8", "replace").splitlines() if line.strip()]
        if not lines or not all(line.startswith(("http://", "https://")) for line in lines):
            raise Unreadable("unparsable", "it is no sitemap: neither XML nor an address on each line")
        return {"pages": [[line, ""] for line in lines], "sitemaps": []}
    root = parse_xml(content, "the sitemap")
    if local(root) not in ("urlset", "sitemapindex"):
        raise Unreadable("unparsable", f"it is no sitemap: its root is <{local(root)}>, expected <urlset>")
    found = []
    for entry in root:
        said = {local(child): (child.text or "").strip() for child in entry}
        if said.get("loc"):
            found.append([said["loc"], said.get("lastmod", "")])
    is_index = local(root) == "sitemapindex"
    return {"pages": [] if is_index else found, "sitemaps": [loc for loc, _ in found] if is_index else []}


def read_feed(raw: bytes) -> dict[str, Any]:
    """Return the title of a feed (RSS, RDF or Atom) and its entries: id, link, title, author, date, html.

    Raises:
        Unreadable: `unparsable`, `too_large`.
    """
    root = parse_xml(_unpacked(raw), "the feed", recover=True)
    if local(root).lower() not in ("rss", "rdf", "feed"):
        raise Unreadable("unparsable", f"it is no feed: its root is <{local(root)}>, expected <rss> or <feed>")
    channel = next((e for e in root if local(e) == "channel"), root)
    entries = [_entry(e) for e in root.iter() if local(e) in ("item", "entry")]
    return {"title": _first(channel, "title"), "entries": entries}


def _entry(element: Any) -> dict[str, str]:
    link = _first(element, "link")
    for child in element:
        if local(child) == "link" and child.get("href") and child.get("rel", "alternate") == "alternate":
            link = child.get("href").strip()
            break
    author = next((e for e in element if local(e) in ("author", "creator")), None)
    name = " ".join("".join(author.itertext()).split()) if author is not None else ""
    content = next((text for tag in _CONTENT if (text := _inner(element, tag))), "")
    return {
        "id": _first(element, "guid") or _first(element, "id") or link,
        "link": link,
        "title": _first(element, "title"),
        "author": name[:200],
        "date": _date(_first(element, "pubDate") or _first(element, "updated") or _first(element, "date")),
        "html": content,
    }


def _first(element: Any, name: str) -> str:
    found = next((child for child in element if local(child) == name), None)
    return " ".join("".join(found.itertext()).split()) if found is not None else ""


def _inner(element: Any, name: str) -> str:
    """Return the content of an entry as HTML, whether it was written as text or as elements (XHTML)."""
    from lxml import etree

    found = next((child for child in element if local(child) == name), None)
    if found is None:
        return ""
    if len(found):
        return "".join(etree.tostring(child, encoding="unicode") for child in found)
    return (found.text or "").strip()


def _date(text: str) -> str:
    try:
        return parsedate_to_datetime(text).date().isoformat()
    except (ValueError, TypeError, IndexError):
        return text[:10] if len(text) >= 10 and text[4:5] == "-" else ""


def read_links(html: str, url: str) -> dict[str, Any]:
    """Return the addresses that a page links to, the one that it claims as its own, and whether it may be kept.

    Robots' `nofollow` and `noindex` of the page and `rel=nofollow` of a link are respected.
    """
    from lxml import html as lxml_html
    from lxml.etree import ParserError

    try:
        tree = lxml_html.document_fromstring(
            html.encode("utf-8", "replace"), parser=lxml_html.HTMLParser(encoding="utf-8")
        )
    except ParserError:
        return {"links": [], "canonical": "", "noindex": False}
    rules = " ".join(m.get("content", "") for m in tree.iter("meta") if m.get("name", "").lower() == "robots").lower()
    address = next((joined for b in tree.iter("base") if (joined := _joined(url, b.get("href", "")))), url)
    links: dict[str, None] = {}
    for anchor in tree.iter("a", "area"):
        if "nofollow" not in anchor.get("rel", "").lower() and (target := _joined(address, anchor.get("href", ""))):
            links[target] = None
            if len(links) >= _MOST_LINKS:
                break
    canonical = next((e.get("href", "") for e in tree.iter("link") if e.get("rel", "").lower() == "canonical"), "")
    return {
        "links": [] if "nofollow" in rules or "none" in rules.split() else list(links),
        "canonical": _joined(address, canonical),
        "noindex": "noindex" in rules or "none" in rules.split(),
    }


def _joined(url: str, reference: str) -> str:
    try:
        joined = urljoin(url, reference.strip()) if reference.strip() else ""
    except ValueError:
        return ""
    return joined.partition("#")[0] if joined.startswith(("http://", "https://")) else ""


def _unpacked(raw: bytes) -> bytes:
    if not raw.startswith(b"\x1f\x8b"):
        return raw
    try:
        with gzip.GzipFile(fileobj=BytesIO(raw)) as packed:
            content = packed.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable("unparsable", f"it is damaged gzip: {error}") from error
    if len(content) > _MOST_BYTES:
        raise Unreadable("too_large", f"unpacked it is larger than {_MOST_BYTES:,} bytes")
    return content

"""What points at pages: sitemaps, and the links of an HTML page."""

import codecs
import gzip
import re
import zlib
from html.entities import html5
from io import BytesIO
from typing import Any
from urllib.parse import urljoin

from llm_engineering.infrastructure.parsers.formats import Unreadable
from llm_engineering.infrastructure.parsers.formats.archive import local, parse_xml

_MOST_BYTES = 64 * 1024 * 1024  # unpacked; the protocol of sitemaps says 50 MB
_MOST_LINKS = 20_000
_AS_CP1252 = "llm_engineering.cp1252"
# Blanks, the byte order marks of UTF-8 and UTF-16, and the other half of each letter in the latter.
_BEFORE_TEXT = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"
_LINE_ENDS = re.compile(r"[\t\r\n]")
_REFERENCE = re.compile(rb"<!\[CDATA\[.*?\]\]>|&#(?:\d+|x[\da-fA-F]+);|&([A-Za-z]\w*);|&", re.DOTALL)
_OTHER_ENCODING = re.compile(rb"""\A<\?xml[^>]*encoding\s*=\s*["'](?!utf-?8["'])""", re.IGNORECASE)


def read_sitemap(raw: bytes) -> dict[str, Any]:
    """Return the `pages` of a sitemap as [address, last change], and the `sitemaps` that an index names.

    A sitemap may also be plain text with an address on each line.

    Raises:
        Unreadable: `unparsable`, `too_large`.
    """
    content = unpacked(raw)
    if not content.lstrip(_BEFORE_TEXT).startswith(b"<"):
        encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
        lines = [line.strip() for line in content.decode(encoding, "replace").splitlines() if line.strip()]
        if not lines or not all(line.startswith(("http://", "https://")) for line in lines):
            raise Unreadable("unparsable", "it is no sitemap: neither XML nor an address on each line")
        return {"pages": [[line, ""] for line in lines], "sitemaps": []}
    root = parse_xml(mended(content), "the sitemap")
    if local(root) not in ("urlset", "sitemapindex"):
        advice = "; a feed is read by kind: feed" if local(root).lower() in ("rss", "rdf", "feed") else ""
        raise Unreadable("unparsable", f"it is no sitemap: its root is <{local(root)}>, expected <urlset>{advice}")
    found = []
    for entry in root:
        said = {local(child): (child.text or "").strip() for child in entry}
        if said.get("loc"):
            found.append([encoded(said["loc"]), said.get("lastmod", "")])
    is_index = local(root) == "sitemapindex"
    return {"pages": [] if is_index else found, "sitemaps": [loc for loc, _ in found] if is_index else []}


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
        joined = urljoin(url, encoded(reference)) if reference.strip() else ""
    except ValueError:
        return ""
    return joined.partition("#")[0] if joined.startswith(("http://", "https://")) else ""


def encoded(reference: str) -> str:
    """Return an address as browsers read it where it stands on a page: no line ends or tabs, blanks as %20."""
    return _LINE_ENDS.sub("", reference.strip()).replace(" ", "%20")


def unpacked(raw: bytes) -> bytes:
    """Return the content of a file that may be gzipped.

    Raises:
        Unreadable: `unparsable`, `too_large`.
    """
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


def mended(content: bytes) -> bytes:
    """Return XML with numbers for entities, those of HTML too, and for an & that stands for itself; and all in UTF-8,
    where that is said and single texts are in the encoding of Western Europe.

    Behind the first mistake of a feed libxml2 drops every `&lt;` and `&amp;` without a word, but no number.
    """
    if b"\0" in content[:64]:  # UTF-16, of which single bytes say nothing
        return content
    if not _OTHER_ENCODING.match(content):
        content = content.decode("utf-8", _AS_CP1252).encode()
    return _REFERENCE.sub(_number, content)


def _number(found: "re.Match[bytes]") -> bytes:
    whole, name = found.group(), found.group(1)
    if name is None:
        return b"&#38;" if whole == b"&" else whole
    meant = html5.get(f"{name.decode()};", "")
    return b"".join(b"&#%d;" % ord(character) for character in meant) or b"&#38;" + whole[1:]


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 - it is registered for decoding alone
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error(_AS_CP1252, _as_cp1252)

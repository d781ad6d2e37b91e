"""RSS, RDF and Atom feeds, as they are found: also with HTML in titles, entities of HTML, and elements of others."""

import html
import re
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin

from llm_engineering.infrastructure.parsers.formats import Unreadable
from llm_engineering.infrastructure.parsers.formats.archive import local, parse_xml
from llm_engineering.infrastructure.parsers.formats.listings import encoded, mended, unpacked

_CONTENT = ("encoded", "content", "description", "summary")
_DATES = ("pubDate", "updated", "published", "date")
_END_OF_FEED = re.compile(rb"</(?:[\w-]+:)?(?:rss|rdf|feed)\s*>")
# What stands in titles; other words in angle brackets are meant to be read.
_INLINE = re.compile(r"(?i)</?(?:a|b|br|code|em|font|i|mark|small|span|strong|sub|sup|tt|u)(?:\s[^<>]*)?/?>")


def read_feed(raw: bytes) -> dict[str, Any]:
    """Return the title of a feed (RSS, RDF or Atom) and its entries: id, link, title, author, date, html.

    `whole` is false where the end of the feed is missing, and entries with it.

    Raises:
        Unreadable: `unparsable`, `too_large`.
    """
    content = unpacked(raw)
    if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:14].lower().startswith((b"<!doctype html", b"<html", b"{", b"[")):
        raise Unreadable("unparsable", "it is HTML or JSON; give the address of the RSS or Atom feed itself")
    root = parse_xml(mended(content), "the feed", recover=True)
    if local(root).lower() not in ("rss", "rdf", "feed"):
        raise Unreadable("unparsable", f"it is no feed: its root is <{local(root)}>, expected <rss> or <feed>")
    channel = next((e for e in root if local(e) == "channel"), root)
    entries = [_entry(e) for e in root.iter() if local(e) in ("item", "entry")]
    # A feed with one wrong character is read to its end; what is written in UTF-16 has a NUL between any two.
    end = content[-4096:].replace(b"\0", b"").lower()
    return {"title": _title(channel), "entries": entries, "whole": _END_OF_FEED.search(end) is not None}


def _entry(element: Any) -> dict[str, str]:
    link = _link(element)
    author = next((e for e in element if local(e) in ("author", "creator")), None)
    content = next((text for tag in _CONTENT if (text := _inner(element, tag))), "")
    return {
        "id": _first(element, "guid") or _first(element, "id") or link,
        "link": link,
        "title": _title(element),
        "author": (_first(author, "name") or _text(author))[:200] if author is not None else "",
        "date": _date(next((date for name in _DATES if (date := _first(element, name))), "")),
        "html": content,
    }


def _link(element: Any) -> str:
    """Return the address of an entry, joined with what the feed says that its addresses begin with (`xml:base`)."""
    links = [child for child in element if local(child) == "link"]
    for child in links:
        if child.get("href") and child.get("rel", "alternate") == "alternate":
            return _based(child, child.get("href").strip())
    found = _child(element, "link")
    if found is not None and _text(found):
        return _based(found, _text(found))
    guid = _child(element, "guid")
    is_link = guid is not None and guid.get("isPermaLink", "true") == "true"
    return _text(guid) if is_link and _text(guid).startswith(("http://", "https://")) else ""


def _based(element: Any, link: str) -> str:
    try:
        return urljoin(element.base or "", encoded(link))
    except ValueError:  # no address; whoever asks for it says so
        return link


def _title(element: Any) -> str:
    """Return a title without its mark-up. What Atom says is plain text stays as it is."""
    found = _child(element, "title")
    if found is None:
        return ""
    is_plain = "Atom" in found.tag and found.get("type", "text") == "text"
    text = _text(found)
    return text if is_plain else " ".join(html.unescape(_INLINE.sub("", text)).split())


def _child(element: Any, name: str) -> Any:
    """Return the child of this name, the element's own before those of other vocabularies, such as media:title."""
    found = [child for child in element if local(child) == name]
    space = element.tag.rpartition("}")[0]
    return next((child for child in found if child.tag.rpartition("}")[0] == space), found[0] if found else None)


def _first(element: Any, name: str) -> str:
    found = _child(element, name)
    return _text(found) if found is not None else ""


def _text(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())


def _inner(element: Any, name: str) -> str:
    """Return the content of an entry as HTML, whether it was written as text or as elements (XHTML)."""
    from lxml import etree

    found = _child(element, name)
    if found is None:
        return ""
    if len(found):
        inner = "".join(etree.tostring(child, encoding="unicode") for child in found)
        return (html.escape(found.text or "") + inner).strip()
    return (found.text or "").strip()


def _date(text: str) -> str:
    try:
        return parsedate_to_datetime(text).date().isoformat()
    except (ValueError, TypeError, IndexError):
        return text[:10] if len(text) >= 10 and text[4:5] == "-" else ""

"""EPUB: the pages of a book in reading order, as HTML."""

import posixpath
from typing import Any
from urllib.parse import unquote

from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.parsers.formats import Unreadable
from llm_engineering.infrastructure.parsers.formats.archive import Archive, attribute, local
from llm_engineering.infrastructure.parsers.html import decode_html

_ENCRYPTION = "META-INF/encryption.xml"


def read_epub(archive: Archive) -> dict[str, Any]:
    """Return title, author, the pages as `html`, and a note if some are missing.

    Raises:
        Unreadable: `encrypted`, `unparsable`, `empty`.
    """
    container = archive.xml("META-INF/container.xml")
    package = next((e.get("full-path", "") for e in container.iter() if local(e) == "rootfile"), "")
    root = archive.xml(package)
    folder = posixpath.dirname(package)
    items = {e.get("id"): e.get("href", "") for e in root.iter() if local(e) == "item"}
    spine = [items.get(e.get("idref"), "") for e in root.iter() if local(e) == "itemref"]
    paths = dict.fromkeys(_path(archive, folder, href.partition("#")[0]) for href in spine if href)
    found = [path for path in paths if path in archive]
    if _encrypted(archive) & set(found):  # fonts may be: no reader of text needs them
        raise Unreadable("encrypted", "it is protected (DRM); save it without that")
    pages = [_decoded(archive.read(path)) for path in found]
    if not pages:
        raise Unreadable("empty", "the book has no pages")
    names = {local(e): (e.text or "").strip() for e in root.iter() if local(e) in ("title", "creator")}
    lost = len(paths) - len(found)
    note = f"{lost} of its {len(paths)} pages are named and not there" if lost else ""
    return {"html": pages, "title": names.get("title", ""), "author": names.get("creator", ""), "note": note}


def _path(archive: Archive, folder: str, href: str) -> str:
    """Return the part that an address of the book leads to; a blank in its name is %20 in the address."""
    path = posixpath.normpath(posixpath.join(folder, href))
    return path if path in archive else unquote(path)


def _decoded(page: bytes) -> str:
    try:
        return decode_html(page)
    except SourceError:  # blank, or no text; the rest of the book is
        return page.decode("utf-8", "replace")


def _encrypted(archive: Archive) -> set[str]:
    if _ENCRYPTION not in archive:
        return set()
    references = (e for e in archive.xml(_ENCRYPTION).iter() if local(e) == "CipherReference")
    return {unquote(attribute(reference, "URI")) for reference in references}

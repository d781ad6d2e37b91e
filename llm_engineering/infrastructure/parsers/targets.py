"""Where the links of a page lead: which targets are kept, and how they are written."""

import re
from urllib.parse import quote, urldefrag, urljoin, urlsplit

_WEB = ("http://", "https://")
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.\-]*:")
_KEPT_SCHEMES = frozenset({"http:", "https:", "mailto:"})
# Browsers leave these out of an address wherever they stand; with them `java\nscript:` looks relative.
_LEFT_OUT = re.compile(r"[\t\r\n]")
_AROUND = "".join(map(chr, range(0x21)))
_UNSAFE = re.compile(r"[\x00-\x20\x7f-\xa0\u1680<>\"`|\\^{}\u2000-\u200f\u2028-\u202f\u2060\u3000\ufeff*]")
_LONGEST = 2000


def target_of(reference: str, page: str, base: str = "") -> str:
    """Return where a link leads, or nothing if it is not worth keeping: scripts, data, the page itself.

    It is absolute if the page has a web address. A page from a folder or a repository (whose address ends in
    `#path`) keeps its relative references as they are, because where they lead is not known.
    """
    reference = _LEFT_OUT.sub("", reference.strip(_AROUND))
    scheme = _SCHEME.match(reference)
    if not reference or reference.startswith("#") or (scheme and scheme.group().lower() not in _KEPT_SCHEMES):
        return ""
    try:
        target = urljoin(_origin(page, base), reference) if not scheme else reference
        urlsplit(target)  # checks it
        if urldefrag(target).url == page:
            return ""
    except ValueError:  # no URL at all
        return ""
    return _written(target) if len(target) <= _LONGEST else ""


def _origin(page: str, base: str) -> str:
    """Return the address that relative references of the page start from, if there is one on the web."""
    page = page if page.startswith(_WEB) and "#" not in page else ""
    origin = urljoin(page, _LEFT_OUT.sub("", base.strip(_AROUND)))
    return origin if origin.startswith(_WEB) else ""


def _written(target: str) -> str:
    """Return the target with all that would end it, or the table cell around it, percent-encoded."""
    safe = _UNSAFE.sub(lambda found: quote(found.group()), target)
    return safe if _is_balanced(safe) else safe.replace("(", "%28").replace(")", "%29")


def _is_balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return False
    return depth == 0

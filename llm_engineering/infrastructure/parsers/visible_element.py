"""What an element of a page is: seen or not, content or navigation, itself and by what it stands in."""

import re
from dataclasses import dataclass

from llm_engineering.infrastructure.parsers.markup import WIKIPEDIA
from llm_engineering.infrastructure.parsers.visible import Chrome

_UNSEEN = frozenset(
    ("script", "style", "template", "title", "svg", "math", "iframe", "object", "canvas", "audio", "video", "textarea")
)
_CHROME = frozenset(("nav", "footer", "menu"))
_ASIDE = frozenset(("aside", "dialog", "button"))
_CHROME_ROLES = frozenset(("navigation", "banner", "contentinfo", "search", "menu", "menubar", "toolbar"))
# The beginning of a class or id. Not its middle: "no-sidebar" is what the whole page is wrapped in.
_CHROME_NAME = re.compile(
    r"(?i)(?:^|\s)(breadcrumbs?|comments?|cookies?|consent|disqus|footer|menu|nav|navbar|navigation|newsletter|popup|"
    r"promo|related|share|sharing|sidebar|social|sphinxsidebar|toc)(?:[-_]|\s|$)"
)
_MAIN = frozenset(("html", "body", "main", "article"))
_KATEX = "katex-html"  # the class of the letters of a formula that stands before them as MathML
_HIDDEN_STYLE = re.compile(r"(?i)(display\s*:\s*none|visibility\s*:\s*hidden)")


@dataclass(frozen=True, slots=True)
class Open:
    """An open element, and what it is together with its ancestors."""

    tag: str
    unseen: bool = False
    chrome: Chrome = ""
    main: bool = False


def opened(tag: str, named: dict[str, str], parent: Open) -> Open:
    """Return an element that starts inside a parent; `named` holds its attributes."""
    return Open(
        tag,
        unseen=parent.unseen or tag in _UNSEEN or _is_hidden(tag, named),
        chrome=_chrome(tag, named, parent),
        main=parent.main or tag in ("main", "article"),
    )


def _is_hidden(tag: str, named: dict[str, str]) -> bool:
    names = named.get("class", "")
    if WIKIPEDIA in names or _KATEX in names:
        return _KATEX in names
    # A hidden body is shown by a script later: everybody sees it.
    return tag not in ("html", "body") and ("hidden" in named or bool(_HIDDEN_STYLE.search(named.get("style", ""))))


def _chrome(tag: str, named: dict[str, str], parent: Open) -> Chrome:
    role = named.get("role", "").lower()
    if parent.chrome == "semantic" or tag in _CHROME or role in _CHROME_ROLES:
        return "semantic"
    if tag == "header" and not parent.main:
        return "semantic"
    if parent.chrome == "aside" or tag in _ASIDE or role in ("dialog", "complementary"):
        return "aside"
    if parent.chrome:
        return "named"
    names = f"{named.get('class', '')} {named.get('id', '')}" if tag not in _MAIN else ""
    return "named" if len(names) > 1 and _CHROME_NAME.search(names) else ""

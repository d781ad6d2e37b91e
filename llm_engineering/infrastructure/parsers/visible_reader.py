"""Reads what an HTML page shows, without building a tree.

This is the second opinion on the main extraction, so it must not share its limits: libxml2 stops at deep nesting and
at long text nodes, html.parser does not. Each tag takes constant time on average, however the tags are nested.
"""

import re
from collections import Counter
from dataclasses import dataclass
from html.parser import HTMLParser

from llm_engineering.infrastructure.parsers.visible import Block, Chrome, VisiblePage, ink

_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr")
)
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
_BLOCKS = (
    frozenset(
        ("address", "article", "aside", "blockquote", "body", "button", "caption", "dd", "details", "div", "dl", "dt")
    )
    | frozenset(
        ("fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li")
    )
    | frozenset(
        ("main", "nav", "ol", "p", "pre", "section", "summary", "table", "tbody", "tfoot", "thead", "title", "tr", "ul")
    )
)
_HIDDEN_STYLE = re.compile(r"(?i)(display\s*:\s*none|visibility\s*:\s*hidden)")
_HEAD = frozenset({"script", "meta", "link"})
_KINDS = ("pre", "h1", "h2", "h3", "h4", "h5", "h6", "li", "tr")
_LINE_BREAK = "\v"  # a <br>, as long as line ends of the source are only white space


def read_visible(html: str) -> VisiblePage:
    """Read what a page shows."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    reader.end_block()
    reader.page.title = " ".join(reader.page.title.split())
    return reader.page


@dataclass(frozen=True, slots=True)
class _Open:
    """An open element, and what it is together with its ancestors."""

    tag: str
    unseen: bool = False
    chrome: Chrome = ""
    main: bool = False


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = VisiblePage()
        self._stack = [_Open("")]
        self._open: Counter[str] = Counter()
        self._pieces: list[str] = []
        self._linked = 0
        self._in_link = False
        self._in_json_ld = False

    def updatepos(self, i: int, j: int) -> int:  # noqa: ARG002 - the signature of the parent
        """Keep no line numbers: nobody asks for them, and they cost time."""
        return j

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in reversed(attrs)}  # of two equal names the first counts
        if tag in _HEAD:
            self._read_head(tag, named)
        if tag in _BLOCKS:
            self.end_block()
        self._close_what_ends_before(tag)
        if tag == "br":
            self._pieces.append(_LINE_BREAK)
        elif tag in ("td", "th"):
            self._pieces.append(" | " if self._pieces else "")
        elif tag == "a":
            self._in_link = "href" in named
        if tag not in _VOID:
            self._open[tag] += 1
            self._stack.append(_opened(tag, named, self._stack[-1]))

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._in_link = False
        if not self._open[tag]:
            return
        if tag in _BLOCKS:
            self.end_block()
        while self._pop() != tag:
            pass  # elements inside it that were never closed

    def handle_data(self, data: str) -> None:
        here = self._stack[-1]
        if here.tag == "title":
            self.page.title += "" if self._open["svg"] else data
        elif here.tag == "script" and self._in_json_ld:
            self.page.json_ld.append(data)
        elif self._open["noscript"]:
            self.page.noscript += data
        elif not here.unseen:
            self._pieces.append(data)
            self._linked += ink(data) if self._in_link else 0

    def end_block(self) -> None:
        """Keep the block that was being read, if anything was seen of it."""
        tag = self._kind()
        raw = "".join(self._pieces)
        if tag == "pre":
            text = raw.replace(_LINE_BREAK, "\n").strip("\n").rstrip()
        else:
            lines = (" ".join(line.split()) for line in raw.split(_LINE_BREAK))
            text = "\n".join(line for line in lines if line)
        if text.strip():
            self.page.blocks.append(Block(tag, text, self._stack[-1].chrome, self._linked))
        self._pieces, self._linked = [], 0

    def _kind(self) -> str:
        return next((tag for tag in _KINDS if self._open[tag]), "p")

    def _pop(self) -> str:
        tag = self._stack.pop().tag
        self._open[tag] -= 1
        return tag

    def _close_what_ends_before(self, tag: str) -> None:
        """Close the elements whose end tag may be left out before this one."""
        top = self._stack[-1].tag
        if tag in ("tr", "td", "th") and top in ("td", "th"):
            self._pop()
            top = self._stack[-1].tag
        ends = (top == "p" and tag in _BLOCKS) or (top == tag and tag in ("li", "tr", "option"))
        if ends or (top in ("dt", "dd") and tag in ("dt", "dd")):
            self._pop()

    def _read_head(self, tag: str, named: dict[str, str]) -> None:
        if tag == "script":
            self._in_json_ld = "ld+json" in named.get("type", "").lower()
        elif tag == "meta":
            name = (named.get("property") or named.get("name") or named.get("itemprop") or "").lower()
            self.page.meta.setdefault(name, named.get("content", "").strip())
        elif tag == "link" and "canonical" in named.get("rel", "").lower().split():
            self.page.canonical = self.page.canonical or named.get("href", "").strip()


def _opened(tag: str, named: dict[str, str], parent: _Open) -> _Open:
    return _Open(
        tag,
        unseen=parent.unseen or tag in _UNSEEN or _is_hidden(tag, named),
        chrome=_chrome(tag, named, parent),
        main=parent.main or tag in ("main", "article"),
    )


def _is_hidden(tag: str, named: dict[str, str]) -> bool:
    # A hidden body is shown by a script later: everybody sees it.
    return tag not in ("html", "body") and ("hidden" in named or bool(_HIDDEN_STYLE.search(named.get("style", ""))))


def _chrome(tag: str, named: dict[str, str], parent: _Open) -> Chrome:
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

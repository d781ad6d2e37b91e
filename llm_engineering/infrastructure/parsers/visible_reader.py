"""Reads what an HTML page shows, without building a tree.

This is the second opinion on the main extraction, so it must not share its limits: libxml2 stops at deep nesting and
at long text nodes, html.parser does not. Each tag takes constant time on average, however the tags are nested.
"""

from collections import Counter
from html.parser import HTMLParser

from llm_engineering.infrastructure.parsers.links import Links
from llm_engineering.infrastructure.parsers.markup import raised
from llm_engineering.infrastructure.parsers.visible import Block, VisiblePage, ink
from llm_engineering.infrastructure.parsers.visible_element import Open, opened
from llm_engineering.infrastructure.parsers.visible_formula import OpenFormula
from llm_engineering.infrastructure.parsers.visible_table import OpenTable

_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr")
)
_BLOCKS = (
    frozenset(
        ("address", "article", "aside", "blockquote", "body", "button", "caption", "dd", "details", "div", "dl", "dt")
    )
    | frozenset(
        ("fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li")
    )
    | frozenset(
        ("main", "nav", "ol", "p", "pre", "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "title")
    )
    | frozenset(("tr", "ul"))
)
_HEAD = frozenset({"script", "meta", "link", "base"})
_CODE = frozenset({"code", "kbd", "samp", "tt", "var"})
_TABLE = frozenset({"table", "tr", "td", "th"})
_KINDS = ("pre", "h1", "h2", "h3", "h4", "h5", "h6", "li", "tr")
_LINE_BREAK = "\v"  # a <br>, as long as line ends of the source are only white space


def read_visible(html: str, links: Links) -> VisiblePage:
    """Read what a page shows; `links` marks its links and inline code."""
    reader = _Reader(links)
    reader.feed(html)
    reader.close()
    reader.end_block()
    reader.end_table()
    reader.page.title = " ".join(reader.page.title.split())
    return reader.page


class _Reader(HTMLParser):
    def __init__(self, links: Links) -> None:
        super().__init__(convert_charrefs=True)
        self._links = links
        self.page = VisiblePage()
        self._stack = [Open("")]
        self._open: Counter[str] = Counter()
        self._pieces: list[str] = []
        self._linked = 0
        self._in_link = False
        self._link = ""  # the mark that began it
        self._in_code = False
        self._table: OpenTable | None = None
        self._in_json_ld = False
        self._formula: OpenFormula | None = None

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
            self._break_line()
        elif tag == "a":
            self._end_link()
            self._start_link(named)
        elif tag in _CODE:
            self._start_code()
        elif tag in _TABLE:
            self._start_in_table(tag, named)
        elif tag == "input" and named.get("type", "").lower() == "password":
            self.page.passwords += not self._stack[-1].unseen
        elif tag == "math" and self._formula is None and not self._stack[-1].unseen:
            self._formula = OpenFormula(named)
        elif self._formula:
            self._formula.start(tag, named)
        if tag not in _VOID:
            self._open[tag] += 1
            self._stack.append(opened(tag, named, self._stack[-1]))

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._end_link()
        elif tag in _CODE:
            self._end_code()
        elif self._formula:
            self._formula.end(tag)
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
        elif self._formula:
            self._formula.add(data)
        elif not here.unseen:
            self._pieces.append(raised(data) if here.tag == "sup" else data)
            self._linked += ink(data) if self._in_link else 0

    def end_block(self) -> None:
        """Keep the block that was being read, if anything was seen of it."""
        if self._link:
            self._pieces.append(self._links.end(self._link))
        tag = self._kind()
        marked = (
            self._flowed() if tag != "pre" else "".join(self._pieces).replace(_LINE_BREAK, "\n").strip("\n").rstrip()
        )
        text = self._links.plain(marked)
        if text.strip():
            block = Block(tag, text, self._stack[-1].chrome, self._linked, marked)
            self.page.blocks.append(block)
            if self._table:
                self._table.add(block)
            self._link = ""  # of a link around several blocks the first is the link
        self._pieces, self._linked, self._in_code = [self._link] if self._link else [], 0, False

    def _flowed(self) -> str:
        lines = (" ".join(line.split()) for line in "".join(self._pieces).split(_LINE_BREAK))
        return "\n".join(line for line in lines if line)

    def _break_line(self) -> None:
        """Break the line, unless in a link: inline code ends with its line and goes on in the next one."""
        code = self._links.code if self._in_code else ""
        self._pieces += (code, " " if self._link else _LINE_BREAK, code)

    def _start_link(self, named: dict[str, str]) -> None:
        self._in_link = "href" in named
        if self._in_link and not self._open["pre"]:
            self._link = self._links.begin(named["href"])
            self._pieces.append(self._link)

    def _end_link(self) -> None:
        self._in_link = False
        self._pieces.append(self._links.end(self._link))
        self._link = ""

    def _start_code(self) -> None:
        if not (self._in_code or self._open["pre"]):
            self._in_code = True
            self._pieces.append(self._links.code)

    def _end_code(self) -> None:
        if self._in_code:
            self._in_code = False
            self._pieces.append(self._links.code)

    def _start_in_table(self, tag: str, named: dict[str, str]) -> None:
        if tag == "table" and self._table is None:
            self._table = OpenTable(len(self.page.blocks), named.get("role", "").lower() in ("presentation", "none"))
        elif self._table is None:
            return
        elif tag == "table":
            self._table.is_layout = True
        elif self._open["table"] > 1:
            return
        elif tag == "tr":
            self._table.start_row()
        else:
            self._table.start_cell(is_header=tag == "th", span=named.get("colspan", ""))

    def end_table(self) -> None:
        """Make the blocks of the table that was being read one block, if it is a table of data."""
        blocks = self._table.blocks() if self._table else None
        if self._table and blocks:
            self.page.blocks[self._table.first :] = blocks
        self._table = None

    def _kind(self) -> str:
        return next((tag for tag in _KINDS if self._open[tag]), "p")

    def _pop(self) -> str:
        tag = self._stack.pop().tag
        self._open[tag] -= 1
        if tag == "math" and self._formula and not self._open[tag]:
            written, self._formula = self._formula.text, None
            self.handle_data(written)
        if tag == "table" and not self._open[tag]:
            self.end_block()
            self.end_table()
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
        elif tag == "base":
            self._links.rebase(named.get("href", ""))

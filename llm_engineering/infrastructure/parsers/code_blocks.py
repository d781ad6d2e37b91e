"""Carries code blocks through the main extraction unharmed: trafilatura drops their blank lines and their language."""

import re
from hashlib import sha256

from lxml.etree import _Element
from lxml.html import HtmlElement

from llm_engineering.infrastructure.parsers.markup import code_block

_LANGUAGE = re.compile(r"(?:^|\s)(?:language|lang|highlight(?:-source)?|brush:?)[-\s]([a-z0-9+#]+)", re.IGNORECASE)
_MARKUP = re.compile(
    r"[> ]*(?:(?:-|\d+\.) +)?"
)  # what may stand before a block on its line: quote, indent, list marker
_NO_LANGUAGE = frozenset({"default", "none", "text", "plaintext", "plain", "source", "notranslate"})


class CodeBlocks:
    """The `<pre>` elements of a page, each framed by two marker words that survive any rearrangement of text.

    The code itself stays in place, because the extraction weighs passages by their length.
    """

    def __init__(self, tree: HtmlElement, html: str) -> None:
        self._word = f"code{sha256(html.encode('utf-8', 'replace')).hexdigest()[:16]}x"
        self._blocks: list[str] = []
        _drop_line_numbers(tree)
        for pre in tree.xpath("//pre[not(ancestor::pre)][not(ancestor::td)]"):
            self._frame(pre)

    def _frame(self, pre: HtmlElement) -> None:
        language = _language(pre)
        for line_break in pre.xpath(".//br"):
            line_break.tail = "\n" + (line_break.tail or "")
        code = pre.text_content().strip("\n").rstrip()
        if not code.strip():
            return
        number = len(self._blocks)
        self._blocks.append(code_block(code, language))
        for child in list(pre):
            pre.remove(child)
        pre.text = None
        inner = pre.makeelement("code")
        inner.text = f"{self._word}{number}begin\n{code}\n{self._word}{number}end"
        pre.append(inner)

    def collapse(self, body: _Element) -> None:
        """Leave only one marker word of each block, as a paragraph: the code between the two is known."""
        pattern = re.compile(rf"({self._word}\d+)begin.*?{self._word}\d+end", re.DOTALL)
        for element in list(body.iter("code")):
            text = "".join(element.itertext())
            if self._word in text:
                del element[:]
                element.tag, element.text = "p", text
        for element in body.iter("*"):
            element.text = pattern.sub(r" \1begin ", element.text) if element.text else None
            element.tail = pattern.sub(r" \1begin ", element.tail) if element.tail else None

    def restore(self, markdown: str) -> str:
        """Put each block in the place of its marker, as fenced code, indented or quoted as the marker is."""
        # An `end` alone is what is left when something was cut away between the two markers.
        marker = re.compile(rf" *{self._word}(\d+)(?:begin|end) *")
        return "\n".join(self._restored(marker.split(line)) for line in markdown.split("\n"))

    def _restored(self, parts: list[str]) -> str:
        """Join the parts of a line: text, number of a block, text, number of a block … text."""
        if len(parts) == 1:
            return parts[0]
        if len(parts) == 3 and not parts[2] and _MARKUP.fullmatch(parts[0] + " "):
            before = parts[0] + " " if parts[0].strip() else parts[0]
            return before + self._blocks[int(parts[1])].replace("\n", "\n" + re.sub(r"[^> ]", " ", before))
        parts[1::2] = [self._blocks[int(number)] for number in parts[1::2]]
        return "\n\n".join(part for part in parts if part)


def _language(pre: HtmlElement) -> str:
    """Return the language that a highlighter's class names, on the block itself, in it, or just around it."""
    around = [pre, *pre.iterchildren("code"), pre.getparent(), pre.getparent().getparent()]
    for element in (element for element in around if element is not None):
        if found := _LANGUAGE.search(element.get("class") or ""):
            language = found.group(1).lower()
            return "" if language in _NO_LANGUAGE else language
    return ""


def _drop_line_numbers(tree: HtmlElement) -> None:
    """Replace the tables in which highlighters put line numbers beside the code by the code."""
    for table in tree.xpath("//table[.//td//pre]"):
        cells = table.xpath(".//td")
        code = cells[-1].xpath(".//pre")
        numbers = "".join(cell.text_content() for cell in cells[:-1])
        if len(code) == 1 and len(cells) == 2 and re.fullmatch(r"[\d\s]*", numbers):
            code[0].tail = None
            table.addnext(code[0])
            table.drop_tree()

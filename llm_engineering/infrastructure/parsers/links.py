"""Carries links and inline code through the readers as single characters that stand around their text.

A marked text is arranged, weighed and cut like any other. Only at the end the marks become Markdown, so that addresses
are never counted as text, and links survive extraction algorithms that know nothing of them.
"""

import re
from collections.abc import Mapping
from urllib.parse import unquote

from llm_engineering.infrastructure.parsers.markup import code_span
from llm_engineering.infrastructure.parsers.targets import target_of

# Letters of a block (CJK extension G) that next to nobody uses: printable, and changed by no normalisation.
_FIRST, _MOST_TARGETS = 0x30000, 0x1300
_END, _CODE = "\U00031300", "\U00031301"
_ALL = "\U00030000-\U00031301"
_BEGIN = "[\U00030000-\U000312ff]"
_MARK = re.compile(f"[{_ALL}]")
_TAKEN = re.compile(rf"(?i)[{_ALL}]|&#(?:x0*3[01][0-9a-f]{{3}}|0*(?:19[6-9]|20[01])[0-9]{{3}})(?![0-9a-f])")
_CODED = re.compile(f"{_CODE}([^{_CODE}\n]*){_CODE}")
_CODED_LINK = re.compile(f"(`+)({_BEGIN})([^`{_ALL}]*){_END}\\1")
_LINK = re.compile(f"({_BEGIN})([^{_ALL}]*){_END}")
# A page with more links than this in lines of links, which are most of its text, is a list of links.
_MANY_LINKS = 20
# How much of the letters of such a line are links.
_LINKED_SHARE = 0.7


class Links:
    """The links of one page: `begin` and `end` mark them in its text, `markdown` writes them out.

    Pages that hold the characters used as marks come out without links and inline code, their text unharmed.
    Of very many different targets the first 4,864 are kept.
    """

    code = _CODE

    def __init__(self, html: str, page: str = "") -> None:
        self._page = page
        self._base = ""
        self._numbers: dict[str, int] = {}
        self._works = not _TAKEN.search(html)
        if not self._works:
            self.code = ""

    def rebase(self, base: str) -> None:
        """Take the address of the first `<base>` as the one that relative references start from."""
        self._base = self._base or base

    def begin(self, reference: str) -> str:
        """Return the mark before the text of a link, or nothing if the link is not kept."""
        target = target_of(reference, self._page, self._base) if self._works else ""
        if not target:
            return ""
        number = self._numbers.setdefault(target, len(self._numbers))
        return chr(_FIRST + number) if number < _MOST_TARGETS else ""

    def end(self, beginning: str) -> str:
        """Return the mark after the text of a link that began so."""
        return _END if beginning else ""

    def plain(self, text: str) -> str:
        """Return the text without marks."""
        return _MARK.sub("", text) if self._works else text

    def markdown(self, text: str) -> str:
        """Return the text with its marks written as Markdown.

        In a long list of links, such as an index or a site map, lines of links keep their text alone.
        """
        if not self._works or not _MARK.search(text):
            return text
        lines = text.split("\n")
        bare = _lines_of_links(lines)
        targets = dict(zip(map(chr, range(_FIRST, _FIRST + _MOST_TARGETS)), self._numbers, strict=False))
        return "\n".join(
            _line(line, {} if number in bare else targets) if _MARK.search(line) else line
            for number, line in enumerate(lines)
        )


def _lines_of_links(lines: list[str]) -> set[int]:
    """Return which lines are little but links, if the links are many and most of the text."""
    found = {number for number, line in enumerate(lines) if _END in line and _is_linked(line)}
    links = sum(lines[number].count(_END) for number in found)
    inside = sum(len(lines[number]) for number in found)
    return found if links > _MANY_LINKS and 2 * inside > sum(map(len, lines)) else set()


def _is_linked(line: str) -> bool:
    linked = sum(_letters(found.group(2)) for found in _LINK.finditer(line.replace(_CODE, "")))
    return linked >= _LINKED_SHARE * _letters(_MARK.sub("", line))


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def _line(line: str, targets: Mapping[str, str]) -> str:
    line = _CODED.sub(lambda found: _spanned(found.group(1)), line)
    line = _CODED_LINK.sub(rf"\2\1\3\1{_END}", line)
    return _MARK.sub("", _LINK.sub(lambda found: _linked(found.group(2), targets.get(found.group(1), "")), line))


def _linked(marked: str, target: str) -> str:
    text = marked.strip()
    if not text or not target:
        return marked
    before, after = marked.split(text, 1)
    return f"{before}{_written(text, target)}{after}"


def _spanned(text: str) -> str:
    """Return inline code; a link around all of it, or in it, goes around the code."""
    inner = _LINK.fullmatch(text.strip())
    return f"{inner.group(1)}{code_span(inner.group(2))}{_END}" if inner else code_span(_MARK.sub("", text))


def _written(text: str, target: str) -> str:
    if _same(text) == _same(target.removeprefix("mailto:")):
        return text
    if text.count("[") != text.count("]"):
        text = re.sub(r"([\[\]])", r"\\\1", text)
    return f"[{text}]({target})"


def _same(address: str) -> str:
    return unquote(address).rstrip("/")

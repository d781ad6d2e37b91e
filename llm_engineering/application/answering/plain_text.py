"""Texts as they read, whatever their typing: normal form, spaces, quotes, dashes, emphasis; with the way back.

Two texts are the same here only if a reader would take them for the same: `10²` stays apart from `102`, `2*3` from
`23`, `__init__` from `init`, `US` from `us`.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from llm_engineering.application.text.characters import marks
from llm_engineering.application.text.spans import Span

# Characters that nobody sees: soft hyphens, zero-width spaces and joiners of words, signs of direction, emoji styles.
INVISIBLE = "\u00ad\u200b\u200e\u200f\u2060-\u2064\u202a-\u202e\u2066-\u2069\ufeff\ufe0e\ufe0f\u061c\u180e"
_QUOTES = {**dict.fromkeys("‘’‚‛`´′", "'"), **dict.fromkeys("“”„‟«»″", '"')}
_DASHES = {**dict.fromkeys("\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d", "-"), **dict.fromkeys("\u2014\u2015", " - ")}
# Written otherwise, the same to a reader: ligatures, Arabic presentation forms, full-width ASCII, doubles.
_DOUBLES = "\ufb00-\ufb06\ufb50-\ufdfb\ufe70-\ufefc\uff01-\uff0c\uff0e-\uff5e\u212a\u212b\u2126\uf900-\ufaff"
_EMPHASIS = re.compile(
    r"(?<![\w*])(\*{1,3})(?=[^\s*])([^*\n]*(?:\n(?!\s*\n)[^*\n]*)?)(?<=[^\s*])\1(?![\w*])"
    r"|(?<![\w_])(_{1,3})(?=[^\s_])([^_\n]*[ .,:;!?][^_\n]*)(?<=[^\s_])\3(?![\w_])"
    r"|(?<![\w_])_([^\W_]+)_(?![\w_])"
    r"|(?<!`)(`{1,2})(?=[^`])([^`\n]+)\6(?!`)"
)
_LINK = re.compile(r"!?\[([^\[\]\n]+)\]\([^()\s]*(?:\s+\"[^\"\n]*\")?\)")
_SPACES = re.compile(r"\s\s+|[^\S ]")


@dataclass(frozen=True, slots=True)
class Edit:
    """[start, end) of the new text stands for [first, last) of the old one."""

    start: int
    end: int
    first: int
    last: int


@dataclass(frozen=True)
class Layer:
    """What one rewriting changed, in order; between the edits nothing did."""

    edits: Sequence[Edit]
    starts: Sequence[int]

    def start_of(self, at: int) -> int:
        """Return where the character at the offset came from."""
        position = bisect_right(self.starts, at) - 1
        if position < 0:
            return at
        edit = self.edits[position]
        return edit.first if at < edit.end else edit.last + at - edit.end

    def end_of(self, at: int) -> int:
        """Return the end of what the character before the offset came from."""
        position = bisect_right(self.starts, at - 1) - 1
        if position < 0:
            return at
        edit = self.edits[position]
        return edit.last if at <= edit.end and edit.end > edit.start else edit.last + at - edit.end


@dataclass(frozen=True)
class PlainText:
    """A text as it reads, and how its offsets lead back to the text as written."""

    text: str
    layers: tuple[Layer, ...] = ()

    def original(self, start: int, end: int) -> Span:
        """Return the span of the text as written that reads as [start, end)."""
        for layer in reversed(self.layers):
            start, end = layer.start_of(start), layer.end_of(end)
        return Span(start, end)

    def rewritten(self, pattern: "re.Pattern[str]", replace: "Callable[[re.Match[str]], str]") -> "PlainText":
        """Return this text with each match replaced. A match whose replacement stands inside it keeps that part's
        place."""
        pieces: list[str] = []
        edits: list[Edit] = []
        read = written = 0
        for match in pattern.finditer(self.text):
            new = replace(match)
            if new == match[0]:
                continue
            pieces += (self.text[read : match.start()], new)
            written += match.start() - read
            inner = match[0].find(new) if len(new) > 1 else -1
            if inner > 0:  # what stays keeps its place; what stood around it goes
                edits.append(Edit(written, written, match.start(), match.start() + inner))
                written += len(new)
                edits.append(Edit(written, written, match.start() + inner + len(new), match.end()))
            else:
                edits.append(Edit(written, written + len(new), match.start(), match.end()))
                written += len(new)
            read = match.end()
        if not edits:
            return self
        text = "".join((*pieces, self.text[read:]))
        return PlainText(text, (*self.layers, Layer(edits, [edit.start for edit in edits])))


def plain(text: str, *, without_markup: bool = False) -> PlainText:
    """Return the text as it reads; on request without Markdown's emphasis, code marks and targets of links.

    >>> plain("“Soft\\u00adware”  is\\nfree").text
    '"Software" is free'
    """
    read = PlainText(text)
    if without_markup:
        read = read.rewritten(_LINK, lambda match: match[1])
        for _ in range(3):  # emphasis inside emphasis
            read = read.rewritten(_EMPHASIS, lambda match: match[2] or match[4] or match[5] or match[7] or match[0])
    return read.rewritten(_special(), _usual).rewritten(_SPACES, lambda _: " ")


@cache
def _special() -> "re.Pattern[str]":
    typed = "".join((*_QUOTES, *_DASHES)).replace("-", "")
    return re.compile(
        rf"[{INVISIBLE}]+|[{typed}…]|[{_DOUBLES}][{marks()}]*"
        rf"|[^\s{marks()}][{INVISIBLE}]*[{marks()}]+|[\u1100-\u11ff\uac00-\ud7ff][\u1160-\u11ff]+"
    )


def _usual(match: "re.Match[str]") -> str:
    found = match[0]
    if found in _QUOTES:
        return _QUOTES[found]
    if found in _DASHES:
        return _DASHES[found]
    if found == "…":
        return "..."
    if re.fullmatch(f"[{_DOUBLES}].*", found):
        found = unicodedata.normalize("NFKC", found)
    return unicodedata.normalize("NFC", re.sub(f"[{INVISIBLE}]", "", found))

"""The exits of an answer, closed: no image, no link but to a cited source, no citation but of a retrieved passage.

Text is checked as it is written: what may still become a link or an image is held back until that is decided.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field

REMOVED = "(link removed)"

_LONGEST_HELD = 2_000
_IMAGE = re.compile(r"!\[([^\[\]]*)\](?:\([^()]*(?:\([^()]*\)[^()]*)*\)|\[[^\[\]]*\])?")
_LINK = re.compile(r"(?<!!)\[([^\[\]]*)\]\(\s*<?([^()<>\s]*(?:\([^()\s]*\)[^()<>\s]*)*)>?(?:\s+[\"'(][^)]*)?\)")
_NUMBER = re.compile(r"\^?\d{1,4}")
_LINKED_NUMBER = re.compile(r"\[(\[\^?\d{1,4}\])\](?=\()")
_REFERENCE = re.compile(r"\[([^\[\]]+)\]\[[^\[\]\d]*\]")
_DEFINITION = re.compile(r"^[ \t>]*\[[^\[\]\n]+\]:[^\n]*$", re.MULTILINE)
_TAG = re.compile(
    r"</?\s*(?:a|applet|area|audio|base|body|button|embed|form|frame|frameset|html|iframe|image|img|input|link|map|math|"
    r"meta|noscript|object|param|picture|script|source|style|svg|template|textarea|track|video|xml)\b[^<>]*>?",
    re.IGNORECASE,
)
_URL = re.compile(
    r"(?:\b[a-z][a-z0-9+.-]{1,20}:)?(?:/|\\){2}(?=[\w\[%@])[^\s<>\"'`|\[\]{}()]*(?:\([^\s()]*\)[^\s<>\"'`|\[\]{}()]*)*"
    r"|(?:www|ftp)\.(?=\w)[^\s<>\"'`|\[\]{}()]+"
    r"|\b(?:javascript|data|vbscript|mailto|tel|blob|file):(?=[^\s:])[^\s<>\"'`|\[\]{}()]+",
    re.IGNORECASE,
)
_OF = r"(?:(?:passages?|sources?|documents?|refs?\.?|quellen?)\s*)?#?"
_CITED = re.compile(
    r"【\s*(\d+)[^】\n]{0,80}】"
    rf"|[\[［]\s*\^?{_OF}(\d+(?:\s*(?:[,;&、–-]|\b(?:and|und|et|y|e|en|и)\b)\s*{_OF}\d+)*)"
    r"(?:\s*,\s*(?:pp?|pages?|lines?|sections?|s|seiten?|§)\b\.?[^\[\]［］\n]{0,40})?\s*[\]］]"
    r"|\[(?:(?:source|doc(?:ument)?|chunk|passage|id|ref|uri|url)s?\s*[:=#][^\[\]\n]{1,200}"
    r"|[0-9a-f]{8}-[0-9a-f-]{8,40}|" + re.escape(REMOVED) + r")\]",
    re.IGNORECASE,
)
_CODE = re.compile(r"(?:^|\n)[ \t]*(```+|~~~+)[\s\S]*?(?:\n[ \t]*\1|\Z)|(?<!`)(`+)(?!`)[^\n]*?(?<!`)\2(?!`)")
_LEFT_OVER = re.compile(r"\](?=\()|!(?=\[)")
_GOING_ON = "\x01"
_TRAILING = ".,;:!?*_~'\""


def sanitised(text: str, numbers: Collection[int], uris: Collection[str] = (), inert: Collection[str] = ()) -> str:
    """Return a text without images, without links or addresses other than `uris`, and without citations other than
    `numbers`; citations come out as `[1]`, in code they are left alone. Addresses in `inert` stay to be read, as code.

    >>> sanitised("See ![x](http://evil.test/?q=1) [the page](http://evil.test) [1, 9].", {1})
    'See x the page [1].'
    """
    text = _LINKED_NUMBER.sub(lambda found: found[1], text)
    for _ in range(8):  # a link may hide in a link
        before = text
        text = _IMAGE.sub(lambda found: found[1], text)
        text = _LINK.sub(lambda found: _link(found, uris), text)
        text = _TAG.sub("", _DEFINITION.sub("", text))
        if text == before:
            break
    text = _REFERENCE.sub(lambda found: found[1], text)
    code = [found.span() for found in _CODE.finditer(text)] if inert else []
    text = _URL.sub(lambda found: _address(found, uris, inert, code), text)
    text = _without_foreign_citations(text, frozenset(numbers))
    return _LEFT_OVER.sub(lambda found: found[0] + " ", text) if not uris else _apart(text, uris)


def _link(found: "re.Match[str]", uris: Collection[str]) -> str:
    # `row[0](x)` in code is no link; apart, it is none to a reader either.
    if re.fullmatch(r"[\w, ]+", found[2]):
        return f"[{found[1]}] ({found[2]})"
    if _NUMBER.fullmatch(found[1]):  # a citation, whatever it leads to
        return f"[{found[1]}]"
    return found[0] if found[2] in uris and found[1] else found[1]


def _apart(text: str, uris: Collection[str]) -> str:
    """Break what is left of links and images, except links to the sources."""
    inside = [found.span() for found in _LINK.finditer(text) if found[2] in uris]
    return _LEFT_OVER.sub(
        lambda found: found[0] if any(a <= found.start() < b for a, b in inside) else found[0] + " ", text
    )


def _address(
    found: "re.Match[str]", uris: Collection[str], inert: Collection[str], code: Collection[tuple[int, int]]
) -> str:
    url, bare = found[0], found[0].rstrip(_TRAILING)
    if url in uris or bare in uris:
        return url
    if bare not in inert:
        return REMOVED + url[len(bare) :]
    inside = any(start <= found.start() < end for start, end in code)
    return url if inside else f"`{bare}`{url[len(bare) :]}"


def addresses(text: str) -> frozenset[str]:
    """Return the addresses that a text holds."""
    return frozenset(found[0].rstrip(_TRAILING) for found in _URL.finditer(text))


def _without_foreign_citations(text: str, numbers: frozenset[int]) -> str:
    code = [found.span() for found in _CODE.finditer(text)]

    def kept(found: "re.Match[str]") -> str:
        if found.group(1) is None and any(start <= found.start() < end for start, end in code):
            return found[0]
        return "".join(f"[{number}]" for number in _numbers(found) if number in numbers)

    return _CITED.sub(kept, text)


def tidied(text: str) -> str:
    """Return a text without the gaps that removed citations leave before punctuation and at the ends of lines."""
    return re.sub(r"(?<=\S)[ \t]+(?=[.,;:!?](?:\s|$))|(?<![ \t])[ \t]+(?=\n)", "", text).strip()


def _numbers(found: "re.Match[str]") -> list[int]:
    """Return the passages that a citation names: `[1, 3]`, `[2-4]`, `[Passage 1 and Passage 2]`, `【1†source】`."""
    numbers: list[int] = []
    listed = found[1] or found[2] or ""
    for first, last in re.findall(r"(\d+)(?:\s*[–-]\s*(\d+))?", listed):
        if max(len(first), len(last)) > 4:
            continue
        numbers += range(int(first), min(int(last or first), int(first) + 20) + 1)
    return list(dict.fromkeys(numbers))


def citations(text: str) -> list[tuple[int, int]]:
    """Return (passage number, offset) of each citation of a sanitised text, outside code, in order."""
    code = [found.span() for found in _CODE.finditer(text)]
    return [
        (int(found[1]), found.start())
        for found in re.finditer(r"\[(\d{1,4})\]", text)
        if not any(start <= found.start() < end for start, end in code)
    ]


@dataclass
class Outlet:
    """Lets a text out piece by piece, sanitised: whole lines of it, or parts of lines in which nothing is open."""

    numbers: Collection[int]
    uris: Collection[str] = ()
    inert: Collection[str] = ()
    _held: str = field(default="", init=False)
    _fence: str = field(default="", init=False)
    _in_line: bool = field(default=False, init=False)

    def feed(self, piece: str) -> str:
        """Take the next piece of the text and return what may be shown by now."""
        self._held += piece
        cut = _safe_cut(self._held) if not self._fence else self._held.rfind("\n") + 1
        if cut <= 0 and len(self._held) > _LONGEST_HELD:
            cut = len(self._held)
        return self._let_out(cut)

    def finish(self) -> str:
        """Return what was held back."""
        return self._let_out(len(self._held))

    def _let_out(self, cut: int) -> str:
        out, self._held = self._held[:cut], self._held[cut:]
        if not out:
            return ""
        # What is inside a code block stays inside it, and what goes on with a line does not begin one.
        opening = f"{self._fence}\n" if self._fence else _GOING_ON if self._in_line else ""
        self._in_line = not out.endswith("\n")
        clean = sanitised(opening + out, self.numbers, self.uris, self.inert)[len(opening) :]
        for line in out.splitlines():
            mark = re.match(r"[ \t]*(```+|~~~+)", line)
            if mark and not self._fence:
                self._fence = mark[1]
            elif mark and mark[1].startswith(self._fence):
                self._fence = ""
        return clean


def _safe_cut(text: str) -> int:
    """Return up to where a text can be judged already: behind a white space with nothing open before or around it."""
    line = text.rfind("\n") + 1
    limit = line if text.count("`", line) % 2 or re.match(r"[ \t]*[`~]", text[line:]) else len(text)
    closed: list[tuple[int, int]] = []
    for found in re.finditer(r"!?\[|[【［]|<(?=[\w/!?]|$)|!$", text[:limit]):
        end = _closed(text, found)
        if end is None or end == len(text):
            limit = found.start()
            break
        closed.append((found.start(), end))
    while True:
        cut = max(text.rfind(" ", 0, limit), text.rfind("\n", 0, limit)) + 1
        around = [start for start, end in closed if start < cut < end]
        if not around:
            return cut
        limit = min(around)


def _closed(text: str, opening: "re.Match[str]") -> int | None:
    """Return where a bracket that was opened is closed, with the target of a link; None while it is open."""
    if opening[0][-1] != "[":
        end = text.find({"<": ">", "【": "】", "［": "］"}.get(opening[0], "\0"), opening.end())
        return None if end < 0 else end + 1
    depth, at = 1, opening.end()
    while depth and at < len(text):
        depth += (text[at] == "[") - (text[at] == "]")
        at += 1
    if depth:
        return None
    closing = {"(": ")", "[": "]", ":": "\n"}.get(text[at : at + 1])
    if closing is None:
        return at
    target = text.find(closing, at + 1)
    return None if target < 0 else target + 1

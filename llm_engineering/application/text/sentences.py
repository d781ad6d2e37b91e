"""Sentences in every language, by the punctuation of Unicode's Sentence_Terminal property (UAX #29, simplified).

Decimals, URLs, file names, versions, abbreviations and initials do not end a sentence; a blank line and the next list
item do. Thai and other scripts without full stops come out as whole paragraphs.
"""

import re
from collections.abc import Iterator

from llm_engineering.application.text.spans import Span

# Terminators that need white space after them, because they also stand inside numbers, names and addresses.
_NARROW = ".!?…‽"
# Terminators that always end a sentence: CJK, Arabic, Devanagari, Armenian, Ethiopic, Khmer, Myanmar, Tibetan …
_WIDE = (
    "。！？｡．؟۔؝؞܀܁܂।॥։᙮៕។၊။།༎༏༐༑᠃᠉።፧፨᥄᥅᪨-᪫᭚᭛᭞᭟᰻᰼᱾᱿꓿꘎꘏꛳꛷꡶꡷꣎꣏꤯꧈꧉꩝-꩟꫰꫱꯫‼⁇-⁉⸮⸼"
    "߹࠷࠹࠽࠾\U00010a56\U00010a57\U00011047\U00011048\U000110be-\U000110c1\U00011141-\U00011143"
)
_CLOSERS = "\"'’”»›)\\]}」』）】》〉〕"

_CANDIDATE = re.compile(
    rf"(?P<wide>[{_WIDE}][{_WIDE}{_NARROW}]*[{_CLOSERS}]*)"
    rf"|(?P<narrow>[{_NARROW}]+[{_CLOSERS}*_]*)"
    r"|(?P<blank>\n[^\S\n]*\n)"
    r"|(?P<item>\n(?=[^\S\n]*(?:[-*+•–]|\d{1,3}[.)])[^\S\n]))"
)
_NEXT = re.compile(r"\s+(?P<opening>[\"'“‘«‹(\[{*_¿¡]*)")
_LAST_WORD = re.compile(r"[^\s(\[\"'“‘«]+$")
_NUMBERING = re.compile(r"(?:^|\n)[^\S\n]*\(?\d{1,3}$")

# Abbreviations that a capital letter may follow inside a sentence. Those that often end one (etc., Inc.) are left out:
# there, a following lower-case letter decides.
_ABBREVIATIONS = frozenset(
    [
        "mr", "mrs", "ms", "mx", "dr", "prof", "rev", "hon", "gen", "col", "capt", "lt", "sgt", "st", "mt", "ft", "vs",
        "cf", "al", "eds", "e.g", "i.e", "eg", "ie", "viz", "approx", "resp", "dept", "univ", "jan", "feb", "mar",
        "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "z.b", "d.h", "u.a", "bzw", "ca", "vgl", "bspw",
        "evtl", "ggf", "mme", "mlle", "sr", "sra", "srta", "dra", "dott", "т.е", "т.д", "т.п", "напр",
    ]
)  # fmt: skip
# These are abbreviations only before a digit: "No. 5", but "No. It is not."
_BEFORE_NUMBERS = frozenset(
    ["no", "nos", "nr", "núm", "art", "sec", "fig", "figs", "abb", "eq", "eqs", "ch", "vol", "pp", "pág", "рис", "стр"]
)
_LOOK_BACK = 24


def sentence_spans(text: str, start: int = 0, end: int | None = None) -> Iterator[Span]:
    """Yield the span of each sentence in [start, end), without the white space around it.

    >>> [tuple(span) for span in sentence_spans("It is 3.5 m. Dr. Who? Yes!")]
    [(0, 12), (13, 21), (22, 26)]
    """
    end = len(text) if end is None else end
    first = _skip_space(text, start, end)
    for match in _CANDIDATE.finditer(text, start, end):
        if match.end() > first and _ends_sentence(text, match, first, end):
            last = match.start() if match["blank"] or match["item"] else match.end()
            if last > first:
                yield _trimmed(text, first, last)
            first = _skip_space(text, match.end(), end)
    if first < end:
        yield _trimmed(text, first, end)


def sentences(text: str) -> list[str]:
    """Return the sentences of the text.

    >>> sentences("今日は晴れ。散歩しよう！ OK?")
    ['今日は晴れ。', '散歩しよう！', 'OK?']
    """
    return [text[first:last] for first, last in sentence_spans(text)]


def _ends_sentence(text: str, match: "re.Match[str]", first: int, end: int) -> bool:
    if not match["narrow"]:
        return True
    after = _NEXT.match(text, match.end(), end)
    if after is None:  # no white space follows: the end of the text, or the inside of a number or an address
        return match.end() == end
    follower = text[after.end() : after.end() + 1]
    mark = match["narrow"]
    if mark[0] in ".…" and follower.islower():
        return False
    if mark[0] in "!?" and mark[-1] in "\"'’”»" and follower.islower():
        return False  # "Really?" she asked.
    low = max(first, match.start() - _LOOK_BACK)
    return not (mark == "." and _is_abbreviated(text, low, match.start(), follower))


def _is_abbreviated(text: str, low: int, dot: int, follower: str) -> bool:
    """Tell whether the full stop at `dot` belongs to an abbreviation, an initial or the number of a list item."""
    before = text[low:dot]
    if _NUMBERING.search(before) and (low == 0 or text[low - 1].isspace() or "\n" in before):
        return True
    word = _LAST_WORD.search(before)
    if word is None:
        return False
    last = word[0].lower()
    if last in _ABBREVIATIONS or (last in _BEFORE_NUMBERS and follower.isdigit()):
        return True
    return len(last) == 1 and word[0].isupper() and word[0] != "I"


def _skip_space(text: str, start: int, end: int) -> int:
    while start < end and text[start].isspace():
        start += 1
    return start


def _trimmed(text: str, start: int, end: int) -> Span:
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start, end)

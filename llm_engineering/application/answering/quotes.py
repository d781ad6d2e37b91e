"""Whether a quote stands where it is said to stand.

A quote is *found* if the stored document says it, letter for letter or as `plain_text` reads both: words, numbers,
signs and case must agree. It may not begin or end inside a word or a number, nor leave out a negation that stands right
beside it. An ellipsis never passes, not even within one sentence: what it leaves out may be the "not". A quote of less
than three words (in scripts without spaces, six characters) proves nothing.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from llm_engineering.application.answering.negations import negated
from llm_engineering.application.answering.plain_text import INVISIBLE, PlainText, plain
from llm_engineering.application.text.characters import SPACELESS, marks
from llm_engineering.application.text.spans import Span
from llm_engineering.application.text.words import words
from llm_engineering.domain.answers import Verdict
from llm_engineering.domain.documents import CleanedDocument

_MIN_WORDS, _MIN_CHARACTERS = 3, 12
_LONGEST_QUOTE = 20_000
_MOST_OCCURRENCES = 200
_MOST_PARTS = 6
_NOWHERE = Span(0, 0)
_ELLIPSIS = re.compile(r"\s*[\[(]?\.\.\.+[\])]?\s*")
_SPACELESS_CHARACTER = re.compile(f"[{SPACELESS}]")
_NUMERALS = frozenset("〇零一二三四五六七八九十百千万萬億亿兆两兩点點")
_QUOTE_MARKS = "\"'“”„‟«»‘’‚‛「」『』 \t\r\n"
_HYPHENS = "\\-\u2010\u2011\u2012\u2013\u2212"
_HIDDEN = re.compile(f"[{INVISIBLE}]")
_AROUND = 32
_MORE_NUMBER_BEFORE = re.compile(rf"(?:\d[.,:/' ]?|(?:^|[\s(=])[{_HYPHENS}+])$")
_MORE_NUMBER_AFTER = re.compile(r"[.,:/' ]?\d|\s?[%‰°²³⁰-₉]|[eE][-+]?\d")


@dataclass(frozen=True)
class Proof:
    """What became of a quote: where it stands, in which document; without one, nowhere."""

    verdict: Verdict
    document_id: str = ""
    span: Span = _NOWHERE


@dataclass
class StoredText:
    """A stored document that quotes are looked up in. What it reads as is worked out once, when it is needed."""

    document: CleanedDocument
    near: Span = _NOWHERE

    @cached_property
    def exact(self) -> PlainText:
        return PlainText(self.document.text)

    @cached_property
    def plain(self) -> PlainText:
        return plain(self.document.text)

    @cached_property
    def unmarked(self) -> PlainText:
        return plain(self.document.text, without_markup=True)

    def find(self, quote: str) -> Span | None:
        """Return where the document says the quote, as near to the passage as possible, or None."""
        for text, wanted in (
            (self.exact, quote),
            (self.plain, plain(quote).text.strip()),
            (self.unmarked, plain(quote, without_markup=True).text.strip()),
        ):
            spans = [text.original(*span) for span in occurrences(text.text, wanted)]
            if spans:
                return min(spans, key=self._distance)
        return None

    def _distance(self, span: Span) -> int:
        return max(self.near.start - span.start, span.end - self.near.end, 0)


def prove(quote: str, cited: StoredText, others: Sequence[StoredText] = ()) -> Proof:
    """Look a quote up in the document that it is said to be from, then in the others that were retrieved."""
    quote = quote.strip(_QUOTE_MARKS)
    if not proves(quote) or len(quote) > _LONGEST_QUOTE:
        return Proof("absent")
    if span := cited.find(quote):
        return Proof("found", cited.document.id, span)
    for other in others:
        if span := other.find(quote):
            return Proof("misattributed", other.document.id, span)
    return Proof("stitched" if any(_is_stitched(quote, text) for text in (cited, *others)) else "absent")


def proves(quote: str) -> bool:
    """Tell whether a quote is long enough to prove anything.

    >>> proves("It works."), proves("It works on Linux."), proves("可以注册吗")
    (False, True, False)
    """
    spaceless = len(_SPACELESS_CHARACTER.findall(quote))
    spaced = len(words(_SPACELESS_CHARACTER.sub(" ", quote)))
    solid = len(re.sub(r"\s", "", quote))
    return spaced + spaceless / 2 >= _MIN_WORDS and solid + spaceless >= _MIN_CHARACTERS - 2


def occurrences(text: str, wanted: str) -> Iterator[Span]:
    """Yield where a text says something, whole words and numbers only, with the negations that belong to it."""
    at = text.find(wanted) if wanted else -1
    for _ in range(_MOST_OCCURRENCES):
        if at < 0:
            return
        end = at + len(wanted)
        before = _HIDDEN.sub("", text[max(0, at - _AROUND) : at])
        after = _HIDDEN.sub("", text[end : end + _AROUND])
        if not _cuts(before, wanted, after) and not negated(before, after):
            yield Span(at, end)
        at = text.find(wanted, at + 1)


def _cuts(before: str, wanted: str, after: str) -> bool:
    """Tell whether a quote begins or ends inside a word, a number or a character."""
    first, last = wanted[0], wanted[-1]
    if (before and _joined(before[-1], first)) or (after and _joined(last, after[0])):
        return True
    if first.isalnum() and re.search(rf"\w[{_HYPHENS}]$", before):
        return True
    if last.isalnum() and re.match(rf"[{_HYPHENS}]\w", after):
        return True
    if first.isdigit() and _MORE_NUMBER_BEFORE.search(before):
        return True
    return last.isdigit() and _MORE_NUMBER_AFTER.match(after) is not None


def _joined(left: str, right: str) -> bool:
    """Tell whether two neighbouring characters belong to one word, number or character."""
    if re.match(rf"[{marks()}\u200d\U0001f3fb-\U0001f3ff]", right) or left == "\u200d":
        return True
    if left in _NUMERALS and right in _NUMERALS:
        return True
    if (left.isdigit() and right in _NUMERALS) or (left in _NUMERALS and right.isdigit()):
        return True
    spaceless = _SPACELESS_CHARACTER.match(left) or _SPACELESS_CHARACTER.match(right)
    return not spaceless and _in_word(left) and _in_word(right)


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_" or re.match(f"[{marks()}]", character) is not None


def _is_stitched(quote: str, stored: StoredText) -> bool:
    """Tell whether the document says all of the quote, but in parts."""
    text = stored.unmarked.text
    parts = [part for part in _ELLIPSIS.split(plain(quote, without_markup=True).text.strip()) if part]
    runs = [run for part in parts for run in _runs(part, text)]
    return bool(parts) and all(runs) and 1 < len(runs) <= _MOST_PARTS


def _runs(part: str, text: str) -> Iterator[bool]:
    """Divide a part into the longest runs that the text says; yield for each whether it is long enough to count."""
    ends = [match.end() for match in re.finditer(rf"[{SPACELESS}]|[^\s{SPACELESS}]+", part)]
    starts = [match.start() for match in re.finditer(rf"[{SPACELESS}]|[^\s{SPACELESS}]+", part)]
    first = 0
    for _ in range(_MOST_PARTS + 1):
        if first >= len(ends):
            return
        low, high = first, len(ends)  # words[first:low] stand in the text, words[first:high + 1] do not
        while low < high:
            middle = (low + high + 1) // 2
            if part[starts[first] : ends[middle - 1]].rstrip(".,;:!?。，、") in text:
                low = middle
            else:
                high = middle - 1
        yield low - first >= _MIN_WORDS
        first = max(low, first + 1)

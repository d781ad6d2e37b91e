"""Lines of a PDF that are read from the right: PDFium gives some as they are read, and some as they are seen."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

_FROM_RIGHT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_FROM_LEFT = re.compile(r"[^\W\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]+(?:[.,:/-]\w+)*")
_MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")


class _Word(NamedTuple):
    text: str
    left: float

    @property
    def is_from_right(self) -> bool:
        return _FROM_RIGHT.search(self.text) is not None


def is_from_right(text: str) -> bool:
    """Tell whether there are letters in a line that are read from the right: Hebrew, Arabic and their like."""
    return _FROM_RIGHT.search(text) is not None


def as_read(text: str, lefts: Sequence[float | None]) -> str:
    """Return a line in the order in which it is read; `lefts` is where each of its characters begins on the page."""
    words = []
    for found in re.finditer(r"\S+", text):
        places = lefts[found.start() : found.end()]
        known = [place for place in places if place is not None]
        if len(known) < len(places):
            return text
        words.append(_Word(_word_as_read(found.group(), known), min(known)))
    seen = sorted(words, key=lambda word: word.left)
    letters = [character for character in text if character.isalpha()]
    mostly = 2 * sum(map(is_from_right, letters)) >= len(letters)
    turned = seen[::-1] if mostly else seen
    return " ".join(_turned_runs(turned, from_right=not mostly))


def _turned_runs(words: Sequence[_Word], *, from_right: bool) -> Iterator[str]:
    """Yield the words, each run of those that are read in the other direction turned around."""
    for is_other, run in groupby(words, key=lambda word: word.is_from_right == from_right):
        texts = [word.text for word in run]
        yield from reversed(texts) if is_other else texts


def _word_as_read(word: str, lefts: Sequence[float]) -> str:
    """Return a word letter by letter as it is read; what is one sign on the page (a ligature) keeps its order."""
    places = [left for character, left in zip(word, lefts, strict=True) if is_from_right(character)]
    if sum(after > before for before, after in pairwise(places)) <= sum(a < b for b, a in pairwise(places)):
        return word
    signs = ["".join(word[i] for i, _ in same) for _, same in groupby(enumerate(lefts), key=lambda place: place[1])]
    turned = "".join(reversed(signs)).translate(_MIRRORED)
    return _FROM_LEFT.sub(lambda found: found.group()[::-1], turned)

"""Words as written, and the terms under which they are found: stems, bigrams of scripts without spaces, name parts."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from functools import cache

from llm_engineering.application.text.characters import HAN, SPACELESS, marks
from llm_engineering.application.text.stems import Language, stem

_ASCII_WORD = re.compile(r"\b(?:[Cc]\+\+|[CcFf]#)(?!\w)|\w+(?:['.]\w+)*", re.ASCII)
_ZERO_WIDTH = re.compile("[\u00ad\u200b-\u200d\u2060]")
_SPACELESS_RUN = re.compile(f"([{SPACELESS}]+)")
_HAN = re.compile(f"[{HAN}]")
_NAME_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
# Letters of the longest words whose stems are remembered: what somebody sends must not fill the memory.
_REMEMBERED = 40
# After so many pieces, what is known of them is forgotten.
_FORMS = 100_000
_NONE: frozenset[str] = frozenset()
# What no word of `_ASCII_WORD` has, as spaces.
_SEPARATORS = {code: " " for code in range(128) if not (chr(code).isalnum() or chr(code) in "_.'+#")}
# What joins words and is none by itself.
_JOINING = "_.'’"
_ELIDING = frozenset({"french", "italian", "catalan"})


@cache
def _word() -> "re.Pattern[str]":
    """Match letters, digits and marks, joined by an apostrophe or a dot inside (don't, 3.14, os.path); C++, C#, F#."""
    inner = rf"[\w{marks()}\u200c\u200d\u00ad]"
    return re.compile(rf"\b(?:[Cc]\+\+|[CcFf]#)(?!\w)|\w{inner}*(?:['’.]\w{inner}*)*")


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text as written.

    >>> words("The quick brown fox jumps.")
    ('The', 'quick', 'brown', 'fox', 'jumps')
    """
    return tuple(word for word in _found(text) if word.strip(_JOINING))


def _found(text: str) -> list[str]:
    """Return what looks like a word. The pattern for ASCII finds the same there, in a third of the time."""
    return (_ASCII_WORD if text.isascii() else _word()).findall(text)


def stems(text: str, language: Language = "english") -> tuple[str, ...]:
    """Return the stem of each word; a run of a script without spaces gives its character bigrams instead.

    >>> stems("running foxes")
    ('run', 'fox')
    >>> stems("今日は")
    ('今日', '日は')
    """
    return tuple(found for word in words(text) for found in _stems(word, language))


class Forms:
    """Which pieces of texts have which stems, as far as texts have shown it: each piece is stemmed once.

    It tells which of some stems stand in texts several times as fast as stemming their words does. Safe to use from
    several threads: what one learns meanwhile, another learns again.
    """

    def __init__(self, language: Language) -> None:
        self._language = language
        self._known: tuple[set[str], dict[str, set[str]]] = (set(), {})  # pieces, and stem → those that have it

    def among(self, texts: Sequence[Collection[str]], stems: Iterable[str]) -> list[frozenset[str]]:
        """Return for each text, given as its pieces (see `pieces`), those of the stems that it has."""
        known, forms = self._known
        if len(known) > _FORMS:
            # Begun anew as a whole: other threads go on with what they hold.
            known, forms = self._known = (set(), {})
        new = set[str]().union(*texts).difference(known)
        once = self._learn(new, known, forms)
        written: dict[str, set[str]] = {}
        for one in stems:
            # Taken at once: another thread may be adding to these sets.
            for piece in (*forms.get(one, _NONE), *once.get(one, _NONE)):
                written.setdefault(piece, set()).add(one)
        asked = set(written)
        return [frozenset(one for piece in asked.intersection(text) for one in written[piece]) for text in texts]

    def _learn(self, pieces: Set[str], known: set[str], forms: dict[str, set[str]]) -> Mapping[str, set[str]]:
        """Note the stems of new pieces; return stem → pieces for those that are too long to be remembered."""
        once: dict[str, set[str]] = {}
        for piece in pieces:
            kept = len(piece) <= _REMEMBERED
            for one in stems(piece, self._language):
                (forms if kept else once).setdefault(one, set()).add(piece)
            if kept:
                known.add(piece)
        return once


def parts(word: str) -> Iterator[str]:
    """Yield a word; of one in a script without spaces, which is a whole clause, its character bigrams.

    >>> list(parts("今日は")), list(parts("tea"))
    (['今日', '日は'], ['tea'])
    """
    for run in [word] if word.isascii() else _SPACELESS_RUN.split(word):
        yield from _bigrams(run) if _SPACELESS_RUN.fullmatch(run) else [run] if run else []


def word_count(text: str) -> int:
    """Return about how many words a text has: what white space divides, and two characters where a script has none.

    >>> word_count("It is well-known."), word_count("今日は天気がいい。")
    (3, 4)
    """
    return sum(1 if word.isascii() else _count(word) for word in text.split())


def _count(word: str) -> int:
    return max(1, sum((len(run) + 1) // 2 for run in _SPACELESS_RUN.findall(word)))


def pieces(text: str) -> tuple[str, ...]:
    """Return what a text consists of; each piece has whole words, mostly one: 'jumps', 'a.b', 'c++'. Case may be lost.

    Dividing a text at what is in no word takes a quarter of the time of finding its words.
    """
    if not text.isascii():
        return tuple(_found(text))
    return tuple(text.lower().translate(_SEPARATORS).replace(". ", " ").split())


def terms(text: str, language: Language = "english") -> tuple[str, ...]:
    """Return what the lexical index keeps: the stems, the parts of names in code, and single Han characters.

    >>> terms("os.path get_user HTTPServer")
    ('os.path', 'os', 'path', 'get_user', 'get', 'user', 'httpserver', 'http', 'server')
    """
    return tuple(found for word in words(text) for found in _terms(word, language))


def _terms(word: str, language: Language) -> Iterator[str]:
    yield from _stems(word, language)
    if word.isascii():
        parts = _NAME_PART.findall(word)
        if len(parts) > 1 and "'" not in word:
            yield from (stem(part.lower(), language) for part in parts if len(part) > 1)
    else:
        for run in _SPACELESS_RUN.findall(word):
            yield from _HAN.findall(run) if len(run) > 1 else ()


def _stems(word: str, language: Language) -> Iterator[str]:
    if word.isascii():
        yield stem(_without_elision(word.lower(), language), language)
        return
    normal = unicodedata.normalize("NFKC", _ZERO_WIDTH.sub("", word)).replace("’", "'").casefold()
    for run in _SPACELESS_RUN.split(normal):
        if _SPACELESS_RUN.fullmatch(run):
            yield from _bigrams(run)
        elif run:
            yield stem(_without_elision(run, language), language)


def _bigrams(run: str) -> Iterator[str]:
    if len(run) == 1:
        yield run
    for index in range(len(run) - 1):
        yield run[index : index + 2]


def _without_elision(word: str, language: Language) -> str:
    """Drop the article in l'homme, dell'arte, d'aquí."""
    return word.rpartition("'")[2] or word if language in _ELIDING else word

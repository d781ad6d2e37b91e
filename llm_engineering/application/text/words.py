"""Words as written, and the terms under which they are found: stems, bigrams of scripts without spaces, name parts."""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache

from llm_engineering.application.text.characters import HAN, SPACELESS, marks
from llm_engineering.application.text.stems import Language, stem

_ZERO_WIDTH = re.compile("[\u00ad\u200b-\u200d\u2060]")
_SPACELESS_RUN = re.compile(f"([{SPACELESS}]+)")
_HAN = re.compile(f"[{HAN}]")
_NAME_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
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
    return tuple(word for word in _word().findall(text) if word.strip("_.'’"))


def stems(text: str, language: Language = "english") -> tuple[str, ...]:
    """Return the stem of each word; a run of a script without spaces gives its character bigrams instead.

    >>> stems("running foxes")
    ('run', 'fox')
    >>> stems("今日は")
    ('今日', '日は')
    """
    return tuple(found for word in words(text) for found in _stems(word, language))


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

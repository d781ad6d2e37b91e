"""Light stems by Snowball's algorithms (in C, forty times as fast as in Python), remembered word by word."""

from functools import cache, lru_cache
from threading import Lock
from typing import Literal, Protocol, cast

# What Snowball 3 has. One language a corpus: a stemmer leaves the words of other languages almost alone.
Language = Literal[
    "arabic", "armenian", "basque", "catalan", "czech", "danish", "dutch", "english", "esperanto", "estonian",
    "finnish", "french", "german", "greek", "hindi", "hungarian", "indonesian", "irish", "italian", "lithuanian",
    "nepali", "norwegian", "persian", "polish", "porter", "portuguese", "romanian", "russian", "serbian", "spanish",
    "swedish", "tamil", "turkish", "yiddish", "none",
]  # fmt: skip

_LONGEST_WORD = 64


class _Stemmer(Protocol):
    def stemWord(self, word: str) -> str: ...  # noqa: N802 - the library's name


@cache
def _stemmer(language: Language) -> tuple[_Stemmer, Lock]:
    import Stemmer

    return cast("_Stemmer", Stemmer.Stemmer(language, 0)), Lock()  # without a memory of its own


@lru_cache(maxsize=200_000)
def stem(word: str, language: Language = "english") -> str:
    """Return the stem of a lower-case word. Names with digits, dots or underscores stay as they are.

    >>> stem("foxes")
    'fox'
    """
    if language == "none" or len(word) > _LONGEST_WORD or not word.replace("'", "").isalpha():
        return word
    stemmer, lock = _stemmer(language)
    with lock:  # a Snowball stemmer keeps the word it works on in itself
        return stemmer.stemWord(word)

"""Made-up words that are as frequent as those of a language: texts and questions for benchmarks of search."""

import random
from bisect import bisect
from itertools import accumulate

VOCABULARY = 30_000
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "ar", "en", "ol")]


def word(number: int) -> str:
    """Return a word; the lower its number, the shorter and the more frequent it is."""
    syllables = ""
    number += len(SYLLABLES)
    while number:
        number, rest = divmod(number, len(SYLLABLES))
        syllables += SYLLABLES[rest]
    return syllables


WORDS = [word(number) for number in range(VOCABULARY)]
_SHARES = list(accumulate(1 / (rank + 3) for rank in range(VOCABULARY)))


def some_words(chance: random.Random, count: int) -> list[str]:
    """Return words as often as Zipf's law has them."""
    return [WORDS[bisect(_SHARES, chance.random() * _SHARES[-1])] for _ in range(count)]


def sentence(chance: random.Random) -> str:
    """Return a sentence of 8 to 16 words."""
    return " ".join(some_words(chance, chance.randint(8, 16))).capitalize() + "."


def question(chance: random.Random) -> str:
    """Return a question of 5 to 10 words; no two are alike, so no cache helps."""
    return " ".join(some_words(chance, chance.randint(5, 10))).capitalize() + "?"

"""Whether a passage says what an answer says, as far as its words, numbers and names can tell. No model is asked.

It cannot see that an answer turns the meaning of the passage's own words round; it does see what was invented.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from llm_engineering.application.answering.support import DENIAL, NUMBER
from llm_engineering.application.text.sentences import sentences
from llm_engineering.application.text.stems import Language
from llm_engineering.application.text.tokenizing import ENGLISH_STOP_WORDS
from llm_engineering.application.text.words import stems, terms, words

_FEW = 3  # words that say too little to be judged as a sentence of its own
_LIST_NUMBER = re.compile(r"^\s*\(?\d{1,2}[.)]\s", re.MULTILINE)
_THOUSANDS = re.compile(r"(?<=\d)[,'’\u00a0\u202f](?=\d{3}(?!\d))")
_QUOTED = re.compile(
    r"“([^”\n]{2,200})”|\"([^\"\n]{2,200})\"|`([^`\n]{2,200})`|«([^»\n]{2,200})»|„([^“”\n]{2,200})[“”]"
)
_CAPITAL = re.compile(r"[A-Z][\w.+#-]*[\w+#]")
_COUNTS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_DIGITS = {word: str(number) for number, word in enumerate(_COUNTS, start=2)}


@dataclass(frozen=True)
class Grounding:
    """How far a passage supports an answer.

    `words` is the share of the answer's distinct words, stop words aside, that the passage has; `sentence` the lowest
    such share of its sentences. `strange` says what else the passage does not have: a number, a name, a denial, and for
    a question, any word.
    """

    words: float
    sentence: float
    strange: str = ""


def grounding(question: str, answer: str, passage: str, language: Language = "english") -> Grounding:
    """Return how far a passage supports an answer to a question."""
    known = _Known(passage, language)
    asked = _content(question, language)
    strange = _strange(answer, known) or _strange_numbers(question, known)
    if not strange and asked and not asked & known.terms:
        strange = "the question has no word of the passage"
    if not strange and DENIAL.search(answer) and not DENIAL.search(passage):
        strange = "it denies, and the passage does not"
    return Grounding(known.share(answer), known.lowest(answer), strange)


def says_something(text: str, language: Language = "english") -> bool:
    """Tell whether a text has a word that is no stop word: nothing can be grounded that says nothing."""
    return bool(_content(text, language))


class _Known:
    """What a passage has: its terms, its numbers, its text."""

    def __init__(self, passage: str, language: Language) -> None:
        self.language = language
        found = set(terms(passage, language)) | set(stems(passage, language))
        self.numbers = _numbers(passage)
        self.terms = frozenset(found | {word for word, digit in _DIGITS.items() if digit in self.numbers})
        self.text = _folded(passage)

    def share(self, text: str) -> float:
        """Return the share of the words of a text that the passage has; 1 for a text without words."""
        wanted = _content(text, self.language)
        return len(wanted & self.terms) / len(wanted) if wanted else 1.0

    def lowest(self, text: str) -> float:
        """Return the share of the sentence with the lowest one."""
        long = [one for one in sentences(text) if len(_content(one, self.language)) >= _FEW]
        return min(map(self.share, long), default=self.share(text))


def _content(text: str, language: Language) -> frozenset[str]:
    found = frozenset(stems(text, language))
    return found - _stop_words(language) if language == "english" else found


@lru_cache(maxsize=1)
def _stop_words(language: Language) -> frozenset[str]:
    return frozenset(stems(" ".join(ENGLISH_STOP_WORDS), language))


def _strange(answer: str, known: _Known) -> str:
    for match in _QUOTED.finditer(answer):
        quoted = next(part for part in match.groups() if part)
        if _folded(quoted).strip(" .,;:!?") not in known.text:
            return "the passage does not have a name or words that it quotes"
    return _strange_numbers(answer, known) or _strange_names(answer, known)


def _strange_numbers(text: str, known: _Known) -> str:
    return "" if _numbers(_LIST_NUMBER.sub(" ", text)) <= known.numbers else "the passage does not have its numbers"


def _strange_names(answer: str, known: _Known) -> str:
    """Look for words with a capital inside a sentence. In other languages than English these need not be names."""
    if known.language != "english":
        return ""
    for sentence in sentences(answer):
        for name in _CAPITAL.findall(sentence.partition(" ")[2]):
            if name.casefold() not in known.text and not set(stems(name, known.language)) <= known.terms:
                return "the passage does not have a name that it gives"
    return ""


def _numbers(text: str) -> frozenset[str]:
    counted = {_DIGITS[word] for one in words(text) if (word := one.casefold()) in _DIGITS}
    return frozenset(NUMBER.findall(_THOUSANDS.sub("", text))) | counted


def _folded(text: str) -> str:
    return " ".join(text.casefold().replace("’", "'").split())

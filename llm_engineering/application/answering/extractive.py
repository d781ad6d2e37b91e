"""Answers without a model: the best sentences of the passages, as they stand there.

A sentence counts by the words of the question in it, the rarer among the candidates the more; by the rank of its
passage, and how much of the question the passage's title covers already; and by its place. Each further sentence must
add something. No model is called: five passages take a few milliseconds.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from llm_engineering.application.answering.injection import is_injected
from llm_engineering.application.answering.numbered import Numbered
from llm_engineering.application.text.spans import Span
from llm_engineering.application.text.stems import Language
from llm_engineering.application.text.tokenizing import ENGLISH_STOP_WORDS
from llm_engineering.application.text.words import stems

_ASKING = frozenset(
    [
        "what",
        "how",
        "when",
        "where",
        "why",
        "who",
        "which",
        "whom",
        "whose",
        "can",
        "could",
        "should",
        "would",
        "may",
        "might",
        "must",
        "is",
        "am",
        "there",
        "any",
        "anyone",
        "some",
        "please",
        "tell",
        "explain",
        "get",
        "about",
        "using",
        "use",
        "want",
        "need",
        "does",
        "like",
        "also",
        "just",
        "if",
        "not",
        "no",
        "me",
        "one",
    ]
)
_LONGEST_QUESTION = 2_000
_DUPLICATE = 0.75
_GOES_ON, _ELSEWHERE = 0.5, 0.4
_TITLE, _OVERLAP, _RANK, _PLACE = 1.2, 1.0, 0.45, 0.06


@dataclass(frozen=True)
class Quoted:
    """A stretch of a passage that is quoted: spans are in the passage's text."""

    passage: Numbered
    span: Span

    @property
    def text(self) -> str:
        return self.passage.text[self.span.start : self.span.end]


@dataclass(frozen=True)
class _Candidate:
    passage: Numbered
    position: int
    span: Span
    terms: frozenset[str]


def question_terms(question: str, language: Language) -> frozenset[str]:
    """Return the terms of a question that say what it is about; all of them if none does."""
    found = frozenset(stems(question[:_LONGEST_QUESTION], language))
    return telling(found, language) or found


def telling(found: frozenset[str], language: Language) -> frozenset[str]:
    """Return the terms that say something; which ones do not is known for English only."""
    return found - _empty() if language == "english" else found


@cache
def _empty() -> frozenset[str]:
    return frozenset(stems(" ".join(ENGLISH_STOP_WORDS | _ASKING), "english"))


def extract(
    question: str,
    passages: Sequence[Numbered],
    *,
    language: Language = "english",
    most: int = 4,
    characters: int = 900,
    floor: float = 0.25,
) -> list[Quoted]:
    """Return the best quotes for a question in the order of the passages; none if nothing supports it.

    The best sentence, with the title of its passage, must have the share `floor` of the question in it, by weight.
    Sentences that give orders to a model are never quoted.
    """
    asked = question_terms(question, language)
    candidates = [candidate for passage in passages for candidate in _candidates(passage, language)]
    counts = Counter(term for candidate in candidates for term in candidate.terms & asked)
    weights = {term: math.log(1 + len(candidates) / (1 + counts[term])) + 0.1 for term in asked}
    titles = {passage.number: _title_cover(passage, weights, language) for passage in passages}
    chosen: list[_Candidate] = []
    rest = {id(candidate): candidate for candidate in candidates}
    covered: frozenset[str] = frozenset()
    while rest and len(chosen) < most:
        best = max(rest.values(), key=lambda one: _score(one, weights, covered, titles, chosen))
        del rest[id(best)]
        if not chosen and _support(best, weights, titles) <= floor:
            return []
        if chosen and not _adds(best, weights, covered, chosen, titles):
            continue
        if is_injected(best.passage.text[best.span.start : best.span.end]):
            continue
        if chosen and sum(len(_text(one)) for one in chosen) + len(_text(best)) > characters:
            continue
        chosen.append(best)
        covered |= best.terms & asked
    return _joined(chosen)


def _candidates(passage: Numbered, language: Language) -> list[_Candidate]:
    text = passage.text
    return [
        _Candidate(passage, position, span, frozenset(stems(text[span.start : span.end], language)))
        for position, span in enumerate(passage.units)
    ]


def _title_cover(passage: Numbered, weights: dict[str, float], language: Language) -> float:
    """Return the share of the question that title and context of a passage cover already (0 … 1)."""
    said = frozenset(stems(f"{passage.hit.title} {passage.hit.context}", language))
    return sum(weights[term] for term in said & weights.keys()) / (sum(weights.values()) or 1.0)


def _score(
    one: _Candidate,
    weights: dict[str, float],
    covered: frozenset[str],
    titles: dict[int, float],
    chosen: Sequence[_Candidate],
) -> float:
    own = sum(weights[term] * (0.3 if term in covered else 1.0) for term in one.terms & weights.keys())
    overlap = own / (sum(weights.values()) or 1.0)
    length = len(one.terms)
    fit = 1.0 if 4 <= length <= 45 else 0.75 if length > 1 else 0.3
    beside = any(one.passage is other.passage and abs(one.position - other.position) == 1 for other in chosen)
    score = _OVERLAP * overlap + _TITLE * titles[one.passage.number] / (1 + 0.15 * one.position)
    return fit * score + 0.08 * beside + _RANK / one.passage.number - _PLACE * min(one.position, 8) / 8


def _adds(
    one: _Candidate,
    weights: dict[str, float],
    covered: frozenset[str],
    chosen: Sequence[_Candidate],
    titles: dict[int, float],
) -> bool:
    """Tell whether a sentence says something that those chosen do not: new words of the question, or, in the passage of
    the best sentence, how it goes on. A sentence of another passage must have a good part of the question in it."""
    for other in chosen:
        if len(one.terms & other.terms) > _DUPLICATE * min(len(one.terms), len(other.terms) or 1):
            return False
    asked = one.terms & weights.keys()
    first = chosen[0].passage
    if one.passage is first:
        return bool(asked) or titles[first.number] > _GOES_ON
    share = sum(weights[term] for term in asked) / (sum(weights.values()) or 1.0)
    return bool(asked - covered) and share >= _ELSEWHERE


def _support(one: _Candidate, weights: dict[str, float], titles: dict[int, float]) -> float:
    own = sum(weights[term] for term in one.terms & weights.keys()) / (sum(weights.values()) or 1.0)
    return max(own, titles[one.passage.number])


def _joined(chosen: Sequence[_Candidate]) -> list[Quoted]:
    """Return the chosen sentences in reading order; neighbours become one quote."""
    quotes: list[Quoted] = []
    last: _Candidate | None = None
    for one in sorted(chosen, key=lambda one: (one.passage.number, one.position)):
        if last is not None and last.passage is one.passage and last.position + 1 == one.position:
            quotes[-1] = Quoted(one.passage, Span(quotes[-1].span.start, one.span.end))
        else:
            quotes.append(Quoted(one.passage, one.span))
        last = one
    return quotes


def _text(one: _Candidate) -> str:
    return one.passage.text[one.span.start : one.span.end]

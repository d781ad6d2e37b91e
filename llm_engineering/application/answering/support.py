"""The sentence of a passage that supports a claim best, where a model gave no quote that stands."""

import re
from itertools import pairwise

from llm_engineering.application.answering.extractive import question_terms
from llm_engineering.application.answering.numbered import Numbered
from llm_engineering.application.text.spans import Span
from llm_engineering.application.text.stems import Language
from llm_engineering.application.text.words import stems

_ENOUGH = 0.6
NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
DENIAL = re.compile(
    r"\b(?:not|never|no|none|nobody|nothing|cannot|without|neither|nor|nicht|nie|kein\w*|ohne|pas|jamais|sans|nunca|sin|"
    r"non|mai|senza|não|sem|niet|geen|не|ни|нет|без)\b|n['’]t\b|不|没|無|无|ない|ません|않|못",
    re.IGNORECASE,
)
_CITATION = re.compile(r"\[\d{1,4}\]")


def supporting(claim: str, passage: Numbered, language: Language = "english") -> Span | None:
    """Return the span, in the passage's text, of the sentence or two that say what the claim says, or None.

    Three in five of the claim's words, two at least, must stand there, all of its numbers, and a denial if it denies.
    """
    claim = _CITATION.sub("", claim)
    wanted = question_terms(claim, language)
    best: tuple[float, Span] | None = None
    spans = passage.units
    for span in [*spans, *(Span(a.start, b.end) for a, b in pairwise(spans))]:
        text = passage.text[span.start : span.end]
        if bool(DENIAL.search(claim)) != bool(DENIAL.search(text)) or not _numbers(claim) <= _numbers(text):
            continue
        said = frozenset(stems(text, language))
        share = len(wanted & said) / (len(wanted) or 1) - 0.0002 * (span.end - span.start)
        if len(wanted & said) >= max(2, _ENOUGH * len(wanted)) and (best is None or share > best[0]):
            best = (share, span)
    return best[1] if best else None


def _numbers(text: str) -> frozenset[str]:
    return frozenset(NUMBER.findall(text))

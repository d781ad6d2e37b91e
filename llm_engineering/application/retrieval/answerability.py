"""Tell questions that an index answers from those that it does not, by what the search found and how well it fits.

A logistic formula over features that every search gives for nothing. No single score can do it: the nearest passage to
a question of another subject is often nearer than the right one to a question in unusual words. The weights come from
`python -m benchmarks.no_answer`, which finds them on questions of your own; these fit all-MiniLM-L6-v2 and BM25.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from math import exp, log, log1p
from typing import Literal

from pydantic import Field, FiniteFloat

from llm_engineering.application.retrieval.fusion import DENSE, SPARSE, Rankings
from llm_engineering.application.text.stems import Language
from llm_engineering.application.text.tokenizing import ENGLISH_STOP_WORDS
from llm_engineering.application.text.words import Forms, pieces, stems
from llm_engineering.domain.queries import Hit, ScoredPoint
from llm_engineering.domain.value import Value

# How much of the rankings is looked at.
FIRST, POOL = 10, 20
LONGEST = 20_000
# Passages of an index that counts as large, and of the smallest in which a word can be rare at all.
LARGE, FEWEST = 300, 5

# The model whose scores the formulas below were fitted to.
CALIBRATED = "sentence-transformers/all-MiniLM-L6-v2"

# Words of questions beside the stop words: they say how something is asked, not what.
ASKING = (
    "what how when which where why who whom whose can could should would may might must shall am not "
    "no about any some there than too very just only also get make does"
)


Feature = Literal[
    "cosine", "bm25", "cosine_of_bm25", "overlap", "words", "known", "covered"
]  # fmt: skip


class Formula(Value):
    """A logistic formula: 1 / (1 + exp(-(bias + Σ weight · feature)))."""

    bias: float = Field(allow_inf_nan=False)
    weights: dict[Feature, FiniteFloat]

    def value(self, features: Mapping[Feature, float]) -> float:
        """Return a number between 0 and 1. A feature without a weight does not count."""
        logit = self.bias + sum(weight * features[name] for name, weight in self.weights.items())
        return 1.0 / (1.0 + exp(-max(-50.0, min(50.0, logit))))


BOTH = Formula(
    bias=-9.115,
    weights={
        "cosine": 8.72,
        "bm25": 0.171,
        "cosine_of_bm25": 4.347,
        "overlap": -2.651,
        "words": -2.629,
        "known": 6.382,
        "covered": 2.0,
    },
)
DENSE_ALONE = Formula(bias=-9.312, weights={"cosine": 13.527, "words": -1.395, "known": 5.188, "covered": 4.711})
SPARSE_ALONE = Formula(bias=-8.17, weights={"bm25": 0.242, "words": -1.959, "known": 8.064, "covered": 2.176})


class Answerability(Value):
    """Judges whether what was found answers the question."""

    threshold: float = Field(0.5, ge=0.0, le=1.0, description="confidence below which there is no answer; 0: never")
    hybrid: Formula = Field(BOTH, description="for searches by meaning and by words")
    dense: Formula = Field(DENSE_ALONE, description="for searches by meaning alone")
    sparse: Formula = Field(SPARSE_ALONE, description="for searches by words alone")
    language: Language = Field("english", description="as in section `tokenizing`")
    model: str | None = Field(
        CALIBRATED,
        description="the embedding model that the formulas fit; an index of another is not judged; null: any",
    )

    def fits(self, model: str) -> bool:
        """Return whether the formulas mean anything for an index with vectors of this model."""
        return self.model is None or self.model == model

    def judge(self, query: str, rankings: Rankings, hits: Sequence[Hit], passages: int = LARGE) -> tuple[bool, float]:
        """Return whether the hits answer the query, and a confidence between 0 and 1.

        Args:
            query: The question as it was asked.
            rankings: The ranking of each method with the scores of the store, best first.
            hits: What is shown, best first.
            passages: How many the index has, whoever may see them.
        """
        if not hits or not any(rankings.values()):
            return self.threshold <= 0.0, 0.0
        confidence = self._formula(rankings).value(features(query, rankings, hits, self.language, passages))
        return confidence >= self.threshold, confidence

    def _formula(self, rankings: Rankings) -> Formula:
        if SPARSE not in rankings:
            return self.dense
        return self.hybrid if DENSE in rankings else self.sparse


def features(
    query: str,
    rankings: Rankings,
    hits: Sequence[Hit],
    language: Language = "english",
    passages: int = LARGE,
) -> dict[Feature, float]:
    """Return what the formulas may weigh, by name.

    cosine: of the best passage by meaning. bm25: of the best by words; among few passages no word is rare, so it is
    brought to the measure of a larger index. cosine_of_bm25: how near the best by words is by meaning. overlap: share
    of the first ten that both methods found. words: log(1 + words of the query). known: share of them that stand in
    any of the first passages found by words (by meaning, where none were). covered: share that stands in the first hit,
    rare words counting more.
    """
    dense, sparse = rankings.get(DENSE, ()), rankings.get(SPARSE, ())
    asked = content_words(query[:LONGEST], language)
    shown = [_pieces(hit.title, hit.context, hit.text) for hit in hits[:1]]
    covered, *found = _forms(language).among([*(shown or [()]), *map(_pieces_of, (sparse or dense)[:POOL])], asked)
    passages_with = Counter(chain.from_iterable(found))
    return {
        "cosine": dense[0].score if dense else 0.0,
        "bm25": sparse[0].score * max(1.0, _rarest(LARGE) / _rarest(passages)) if sparse else 0.0,
        "cosine_of_bm25": _cosine_of(sparse[0].id, dense) if sparse else 0.0,
        "overlap": len({point.id for point in dense[:FIRST]} & {point.id for point in sparse[:FIRST]}) / FIRST,
        "words": log1p(len(asked)),
        "known": sum(word in passages_with for word in asked) / max(len(asked), 1),
        "covered": _covered(asked, covered, passages_with, len(found)),
    }


def content_words(query: str, language: Language = "english") -> tuple[str, ...]:
    """Return the distinct stems of a query that say what it is about.

    >>> content_words("How do I install Docker on Windows?")
    ('instal', 'docker', 'window')
    """
    empty = _empty(language)
    return tuple(dict.fromkeys(stem for stem in stems(query, language) if stem not in empty))


@lru_cache(maxsize=8)
def _empty(language: Language) -> frozenset[str]:
    return frozenset(stems(" ".join((ASKING, *ENGLISH_STOP_WORDS)), language))


def _rarest(passages: int) -> float:
    """Return what BM25 weighs a word that one of so many passages has."""
    return log1p((max(passages, FEWEST) - 0.5) / 1.5)


def _cosine_of(point_id: str, dense: Sequence[ScoredPoint]) -> float:
    """Return the cosine of a point; of one that was not found, a little less than the worst that was."""
    worst = dense[-1].score if dense else 0.0
    return next((point.score for point in dense if point.id == point_id), worst - 0.1 * abs(worst))


def _covered(asked: Sequence[str], words: frozenset[str], passages_with: Counter[str], passages: int) -> float:
    """Return the share of the query that the words hold; a word that few passages have weighs more."""
    weights = {word: log((passages + 1) / (passages_with[word] + 0.5)) for word in asked}
    total = sum(weights.values())
    return sum(weight for word, weight in weights.items() if word in words) / total if total > 0 else 0.0


def _pieces_of(point: ScoredPoint) -> tuple[str, ...]:
    payload = point.payload
    title, context, text = (str(payload.get(field) or "") for field in ("title", "context", "text"))
    return _pieces(title, context, text)


@lru_cache(maxsize=4096)
def _pieces(title: str, context: str, text: str) -> tuple[str, ...]:
    """Return the pieces of a passage. Searches meet the same passages again and again."""
    return pieces(f"{title}\n{context}\n{text}"[:LONGEST])


@lru_cache(maxsize=8)
def _forms(language: Language) -> Forms:
    return Forms(language)

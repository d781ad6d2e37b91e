"""Answers into scores, without asking any model but the embedder."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from llm_engineering.application.llm_evaluation.matching import cosine, token_match
from llm_engineering.application.llm_evaluation.overlap import chrf, rouge_l
from llm_engineering.application.llm_evaluation.settings import LlmEvaluationSettings
from llm_engineering.application.llm_evaluation.supporting import supported
from llm_engineering.domain.llm_evaluation import ContentScore, ModelAnswer

# Texts to the vectors of their beginnings, and to those of their tokens, (tokens, components) each.
Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]
EmbedTokens = Callable[[Sequence[str]], Sequence[NDArray[np.float32]]]
_AT_ONCE = 64


def measure_answers(
    answers: Sequence[ModelAnswer], settings: LlmEvaluationSettings, embed: Embed, tokens: EmbedTokens | None
) -> Iterator[ContentScore]:
    """Yield what the measures make of each answer; of rows without an answer, nothing.

    Args:
        answers: Those of all models.
        settings: The bounds of groundedness, and the language.
        embed: The embedder.
        tokens: The embedder token by token; None where it cannot.
    """
    there = [one for one in answers if one.is_there]
    for one in there:
        yield from (_score(one, name, value) for name, value in _by_words(one, settings).items())
    for start in range(0, len(there), _AT_ONCE):
        yield from _by_vectors(there[start : start + _AT_ONCE], embed, tokens)


def _by_words(one: ModelAnswer, settings: LlmEvaluationSettings) -> dict[str, float]:
    found = {"rouge_l": rouge_l(one.reference, one.answer), "chrf": chrf(one.reference, one.answer)}
    found |= supported(one.instruction, one.answer, one.passage, settings.gates, settings.language)
    if one.tokens:
        # Per byte, which models with other vocabularies have in common.
        found["log_likelihood"] = one.log_likelihood / len(one.reference.encode())
    return found


def _by_vectors(answers: Sequence[ModelAnswer], embed: Embed, tokens: EmbedTokens | None) -> Iterator[ContentScore]:
    texts = list(dict.fromkeys(text for one in answers for text in (one.reference, one.answer) if text.strip()))
    near = dict(zip(texts, embed(texts), strict=True))
    each = dict(zip(texts, tokens(texts), strict=True)) if tokens else {}
    for one in answers:
        is_empty = one.answer not in near or one.reference not in near
        yield _score(one, "similarity", 0.0 if is_empty else cosine(near[one.reference], near[one.answer]))
        if tokens:
            match = 0.0 if is_empty else token_match(each[one.reference], each[one.answer])
            yield _score(one, "token_match", match)


def _score(one: ModelAnswer, metric: str, value: float) -> ContentScore:
    return ContentScore(one.model, one.id, one.cluster, metric, round(value, 9))

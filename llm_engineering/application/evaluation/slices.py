"""Groups of questions that are reported apart: by source, by length, by what the search is limited to."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from llm_engineering.application.text.words import word_count
from llm_engineering.domain.evaluation import QuestionOutcome
from llm_engineering.domain.value import Scalar

ALL_QUESTIONS = "all"
# Filters may have any number of values; the largest slices are reported.
MOST_SLICES = 50


def members_of(outcomes: Sequence[QuestionOutcome], kinds: Sequence[str]) -> dict[str, npt.NDArray[np.intp]]:
    """Return the positions of the questions of each slice, 'all' first, then the others by name.

    `kinds` are those that are wanted: 'source', 'length', 'filter', or the key of one filter.
    """
    positions: dict[str, list[int]] = {}
    for position, outcome in enumerate(outcomes):
        for name in dict.fromkeys(outcome.slices):
            if name != ALL_QUESTIONS and not set(kinds).isdisjoint(_kinds(name)):
                positions.setdefault(name, []).append(position)
    largest = sorted(positions, key=lambda name: (-len(positions[name]), name))[:MOST_SLICES]
    chosen = {name: np.array(positions[name], dtype=np.intp) for name in sorted(largest)}
    return {ALL_QUESTIONS: np.arange(len(outcomes), dtype=np.intp)} | chosen


def _kinds(name: str) -> tuple[str, ...]:
    """Return what a slice is asked for by: 'filter:course=a' by 'filter' and by 'course'."""
    return tuple(name.partition("=")[0].split(":"))


def lengths_of(texts: Sequence[str]) -> list[str]:
    """Return for each question whether it is among the short, the medium or the long third of these questions.

    Questions with the same number of words are in the same third, so the thirds are of about one size only.
    """
    words = np.array([word_count(text) for text in texts])
    if not len(words):
        return []
    low, high = np.quantile(words, [1 / 3, 2 / 3], method="inverted_cdf")
    return ["short" if count <= low else "medium" if count <= high else "long" for count in words]


def slices_of(length: str, sources: Sequence[str], filter: Mapping[str, Scalar]) -> tuple[str, ...]:
    """Return the slices of a question: of its length, of the sources of its documents, of its filter's values."""
    return (
        f"length={length}",
        *(f"source={source}" for source in sorted(set(sources)) if source),
        *(f"filter:{key}={value}" for key, value in sorted(filter.items())),
    )

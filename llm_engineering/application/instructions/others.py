"""Worse answers without a model: word for word, the answer to another, similar question."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import log
from typing import TYPE_CHECKING

from llm_engineering.application.datasets.likeness import jaccard, words_of
from llm_engineering.application.datasets.splitting import fraction
from llm_engineering.application.instructions.structure import OtherAnswers
from llm_engineering.application.text.words import word_count
from llm_engineering.domain.datasets import Split
from llm_engineering.domain.instructions import Draft

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COMPONENTS = 1024
_LOOKED_AT = 50  # similar questions
_OFTEN = 3  # how often one answer may be the worse one
_ALIKE = 0.5  # share of words from which on an answer says much the same


@dataclass(frozen=True)
class Paired:
    """A draft with the document that its worse answer is from; empty: a model wrote it."""

    draft: Draft
    rejected_document: str = ""


def other_answers(
    drafts: Sequence[Draft],
    clusters: Mapping[str, str],
    splits: Mapping[str, Split],
    vectors: "Mapping[str, NDArray[np.float32]]",
    spec: OtherAnswers,
) -> list[Paired]:
    """Return the drafts that have a worse answer, each with one.

    It is of the same source, tenant and split, so that nothing held out is learnt from; of another cluster, or of the
    same document, because near-duplicates of a document answer the same. `vectors` are unit vectors of instructions;
    without them, words are compared.
    """
    groups: dict[tuple[str, str, str], list[Draft]] = defaultdict(list)
    for one in drafts:
        groups[(one.source, one.tenant, splits[clusters[one.document_id]].value)].append(one)
    found = []
    for key in sorted(groups):
        found += _within(groups[key], clusters, vectors, spec)
    return found


def _within(
    drafts: Sequence[Draft],
    clusters: Mapping[str, str],
    vectors: "Mapping[str, NDArray[np.float32]]",
    spec: OtherAnswers,
) -> list[Paired]:
    import numpy as np

    matrix = np.stack([vectors[one.instruction] if vectors else hashed(one.instruction) for one in drafts])
    used: Counter[int] = Counter()
    words = [words_of(one.answer) for one in drafts]
    found = []
    for number, one in enumerate(drafts):
        likeness = matrix @ matrix[number]
        nearest = _highest(likeness)

        def fits(other: int, number: int = number, one: Draft = one) -> bool:
            that = drafts[other]
            is_apart = clusters[that.document_id] != clusters[one.document_id] or that.document_id == one.document_id
            overlaps = that.document_id == one.document_id and that.start < one.end and one.start < that.end
            return is_apart and not overlaps and used[other] < _OFTEN and jaccard(words[other], words[number]) < _ALIKE

        able = [int(other) for other in nearest if other != number and fits(int(other))]
        if not able:
            continue
        able = [other for other in able if likeness[other] < spec.near] or able[-1:]
        size = word_count(one.answer)
        chosen = min(able[: spec.choice], key=lambda other: _distance(size, word_count(drafts[other].answer)))
        used[chosen] += 1
        worse = replace(one, rejected=drafts[chosen].answer, origin=f"{one.origin}_other")
        found.append(Paired(worse, drafts[chosen].document_id))
    return found


def _highest(likeness: "NDArray[np.float32]") -> "NDArray[np.intp]":
    """Return the numbers of the highest values, highest first; of equal ones, the lower numbers."""
    import numpy as np

    if len(likeness) <= _LOOKED_AT + 1:
        return np.argsort(-likeness, kind="stable")
    least = np.partition(likeness, -_LOOKED_AT - 1)[-_LOOKED_AT - 1]
    numbers = np.flatnonzero(likeness >= least)
    return numbers[np.argsort(-likeness[numbers], kind="stable")][: _LOOKED_AT + 1]


def _distance(one: int, other: int) -> float:
    return abs(log(max(1, one) / max(1, other)))


def hashed(text: str) -> "NDArray[np.float32]":
    """Return the words of a text as a unit vector (COMPONENTS,): each falls into the component of its hash."""
    import numpy as np

    vector = np.zeros(COMPONENTS, dtype=np.float32)
    for word in words_of(text):
        vector[int(fraction("word", word) * COMPONENTS)] += 1
    return vector / max(float(np.linalg.norm(vector)), 1e-12)

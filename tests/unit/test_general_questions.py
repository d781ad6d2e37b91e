"""The general set of questions: whole, unambiguous, and a measure that cannot be won by accident."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from llm_engineering.application.evaluation.general import general_digest, general_ndcg, general_questions
from llm_engineering.application.retrieval import Reranking
from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.indexes import ModelCard

CARD = ModelCard(name="scripted", digest="0" * 64, dimension=160, max_tokens=256)


class Scripted:
    """Gives each passage an axis of its own, and each question what it is told to."""

    card = CARD

    def __init__(self, axes: dict[str, Vector]) -> None:
        self._axes = axes

    def embed(self, texts: Sequence[str]) -> Iterator[Sequence[tuple[int, Vector]]]:
        for position, text in reversed(list(enumerate(texts))):
            yield [(position, self._axes[text])]

    def embed_query(self, text: str) -> Vector:
        return self._axes[text]


def axes(shift: int = 0) -> dict[str, Vector]:
    passages, questions = general_questions()
    eye = np.eye(len(passages), dtype=np.float32)
    known = {passage: eye[position] for position, passage in enumerate(passages)}
    return known | {q.text: eye[(q.passage + shift) % len(passages)] for q in questions}


def test_there_are_enough_questions_and_each_passage_is_asked_for() -> None:
    passages, questions = general_questions()
    assert len(questions) >= 150
    assert {question.passage for question in questions} == set(range(len(passages)))
    assert len(set(passages)) == len(passages)
    assert len({question.text for question in questions}) == len(questions)


def test_every_subject_has_eight_passages_that_resemble_each_other() -> None:
    _, questions = general_questions()
    subjects = Counter(subject for subject, _ in {(question.subject, question.passage) for question in questions})
    assert len(subjects) == 20
    assert set(subjects.values()) == {8}


def test_texts_are_whole_sentences_without_stray_blanks() -> None:
    passages, questions = general_questions()
    assert all(passage == passage.strip() and passage.endswith(".") for passage in passages)
    assert all(question.text == question.text.strip() and question.text.endswith("?") for question in questions)


def test_a_model_that_finds_all_has_one_and_a_model_that_finds_nothing_has_zero() -> None:
    assert set(general_ndcg(Scripted(axes()))) == {1.0}
    assert set(general_ndcg(Scripted(axes(shift=1)))) == {0.0}


def test_a_model_that_makes_all_texts_alike_earns_nothing() -> None:
    same = dict.fromkeys(axes(), np.ones(4, dtype=np.float32))
    assert set(general_ndcg(Scripted(same))) == {0.0}


def test_a_model_with_numbers_that_are_none_is_refused() -> None:
    broken = {text: np.full(4, np.nan, dtype=np.float32) for text in axes()}
    with pytest.raises(BackendError, match="NaN or infinite"):
        general_ndcg(Scripted(broken))


class Reading:
    """A reranker that finds the right passage among the candidates, or does not tell them apart."""

    name = "reading"

    def __init__(self, *, knows: bool) -> None:
        passages, questions = general_questions()
        self._right = {question.text: passages[question.passage] for question in questions} if knows else {}
        self.read: list[int] = []

    def scores(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        self.read.append(len(texts))
        return [float(text == self._right.get(query)) for text in texts]


def test_a_reranker_is_measured_on_what_the_embedder_found() -> None:
    near = axes()
    near |= {q.text: near[q.text] + 2 * vector for q, vector in zip(general_questions()[1], _others(), strict=True)}
    embedder, knowing = Scripted(near), Reading(knows=True)
    assert set(general_ndcg(embedder)) == {1 / np.log2(3)}
    assert set(general_ndcg(embedder, Reranking(knowing, candidates=12))) == {1.0}
    assert set(knowing.read) == {12}
    # One that makes all alike forgets what the search knew.
    assert sum(general_ndcg(embedder, Reranking(Reading(knows=False), candidates=12))) == 0
    # What the search does not find it cannot mend.
    assert np.mean(general_ndcg(Scripted(axes(shift=1)), Reranking(Reading(knows=True), candidates=12))) < 0.1


def _others() -> Iterator[Vector]:
    """Yield for each question the axis of another passage than the right one."""
    passages, questions = general_questions()
    eye = np.eye(len(passages), dtype=np.float32)
    yield from (eye[(question.passage + 1) % len(passages)] for question in questions)


def test_the_digest_names_the_questions() -> None:
    assert len(general_digest()) == 64

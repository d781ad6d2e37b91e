"""Judging whether there is an answer: what more and less of everything does, and what is refused outright."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from llm_engineering.application.retrieval.answerability import Answerability, Formula, content_words, features
from llm_engineering.domain.queries import Hit, ScoredPoint

DOCKER = "Install Docker Desktop on Windows, then restart the machine."
QUESTION = "How do I install Docker on Windows?"
TEXTS = [DOCKER, "Homework may be handed in late.", "Certificates come by e-mail.", "Kafka needs Java."]


def point(number: int, score: float, text: str) -> ScoredPoint:
    return ScoredPoint(str(number), score, {"text": text, "title": "", "context": ""})


def ranking(best: float, worst: float, texts: Sequence[str] = TEXTS) -> list[ScoredPoint]:
    step = (best - worst) / max(len(texts) - 1, 1)
    return [point(number, best - number * step, text) for number, text in enumerate(texts)]


def hit(text: str = DOCKER) -> Hit:
    return Hit("0", 1.0, "d", "file:///d.md", "", 0, len(text), text)


def confidence(query: str, cosine: float, bm25: float, texts: Sequence[str] = TEXTS) -> float:
    rankings = {"dense": ranking(cosine, 0.1, texts), "sparse": ranking(bm25, 1.0, texts)}
    return Answerability().judge(query, rankings, [hit(texts[0])])[1]


def test_a_question_that_a_passage_answers_is_answerable() -> None:
    rankings = {"dense": ranking(0.7, 0.2), "sparse": ranking(22.0, 2.0)}
    answerable, sure = Answerability().judge(QUESTION, rankings, [hit()])
    assert answerable
    assert 0.8 < sure <= 1.0


def test_a_question_of_another_subject_is_not() -> None:
    rankings = {"dense": ranking(0.15, 0.05), "sparse": ranking(4.0, 1.0)}
    answerable, sure = Answerability().judge("How long do I boil an egg on a stove?", rankings, [hit()])
    assert not answerable
    assert 0.0 <= sure < 0.2


def test_a_small_index_is_judged_by_the_measure_of_a_large_one() -> None:
    rankings = {"dense": ranking(0.6, 0.1), "sparse": ranking(6.0, 1.0)}

    def sure(passages: int) -> float:
        return Answerability().judge(QUESTION, rankings, [hit()], passages)[1]

    assert sure(1) == sure(5) > sure(50) > sure(250) > sure(300) == sure(100_000)
    assert sure(100_000) == Answerability().judge(QUESTION, rankings, [hit()])[1]


@pytest.mark.parametrize("rankings", [{}, {"dense": []}, {"dense": [], "sparse": []}])
def test_what_found_nothing_is_no_answer(rankings: dict[str, list[ScoredPoint]]) -> None:
    assert Answerability().judge(QUESTION, rankings, []) == (False, 0.0)


def test_a_threshold_of_0_refuses_nothing() -> None:
    assert Answerability(threshold=0.0).judge("xyzzy", {"dense": ranking(0.0, 0.0)}, [hit()])[0]
    assert Answerability(threshold=0.0).judge("xyzzy", {}, []) == (True, 0.0)


def test_a_higher_threshold_refuses_more() -> None:
    rankings = {"dense": ranking(0.45, 0.2), "sparse": ranking(9.0, 2.0)}
    sure = Answerability().judge(QUESTION, rankings, [hit()])[1]
    assert Answerability(threshold=sure).judge(QUESTION, rankings, [hit()])[0]
    assert not Answerability(threshold=min(1.0, sure + 1e-6)).judge(QUESTION, rankings, [hit()])[0]


@pytest.mark.parametrize("mode", ["dense", "sparse"])
def test_one_method_alone_is_judged_by_a_formula_of_its_own(mode: str) -> None:
    good, bad = ((0.7, 0.15) if mode == "dense" else (22.0, 2.0)), ("install Docker on Windows", "boil eggs softly")
    judge = Answerability().judge
    assert judge(bad[0], {mode: ranking(good[0], 0.1)}, [hit()])[0]
    assert not judge(bad[1], {mode: ranking(good[1], 0.1)}, [hit()])[0]


@given(st.floats(0.1, 1.0), st.floats(0.1, 1.0), st.floats(1.0, 60.0))
def test_a_nearer_passage_never_lowers_the_confidence(one: float, other: float, bm25: float) -> None:
    low, high = sorted((one, other))
    assert confidence(QUESTION, low, bm25) <= confidence(QUESTION, high, bm25) + 1e-12


@given(st.floats(0.1, 1.0), st.floats(1.0, 60.0), st.floats(1.0, 60.0))
def test_a_better_match_of_words_never_lowers_the_confidence(cosine: float, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert confidence(QUESTION, cosine, low) <= confidence(QUESTION, cosine, high) + 1e-12


def test_words_that_stand_nowhere_lower_the_confidence() -> None:
    known = confidence("install Docker Windows machine", 0.5, 12.0)
    assert confidence("install Docker Windows zeppelin", 0.5, 12.0) < known
    assert confidence("install Docker submarine zeppelin", 0.5, 12.0) < known


@given(st.text(max_size=200), st.lists(st.text(max_size=60), min_size=1, max_size=5))
def test_any_text_gives_a_number_between_0_and_1_and_the_same_one_again(query: str, texts: list[str]) -> None:
    rankings = {"dense": ranking(0.5, 0.1, texts), "sparse": ranking(5.0, 1.0, texts)}
    found = features(query, rankings, [hit(texts[0])])
    assert all(math.isfinite(value) for value in found.values())
    assert 0.0 <= found["covered"] <= 1.0 + 1e-9
    first = Answerability().judge(query, rankings, [hit(texts[0])])
    assert 0.0 <= first[1] <= 1.0
    assert Answerability().judge(query, rankings, [hit(texts[0])]) == first


def test_payloads_without_texts_are_no_fault() -> None:
    bare = [ScoredPoint("a", 0.4, {}), ScoredPoint("b", 0.3, {"text": None})]
    assert 0.0 <= Answerability().judge(QUESTION, {"dense": bare, "sparse": bare}, [hit("")])[1] <= 1.0


def test_a_very_long_question_is_judged_by_its_beginning() -> None:
    assert len(content_words("docker " * 3)) == 1
    rankings = {"dense": ranking(0.5, 0.1), "sparse": ranking(9.0, 1.0)}
    assert 0.0 <= Answerability().judge("word" * 200_000, rankings, [hit()])[1] <= 1.0


def test_what_is_asked_is_told_from_how() -> None:
    assert content_words("What is it and why does the one get there?") == ("one",)
    assert content_words("") == ()


def test_formulas_know_only_the_features_there_are() -> None:
    with pytest.raises(ValidationError):
        Formula.model_validate({"bias": 0, "weights": {"cosinus": 1}})
    with pytest.raises(ValidationError):
        Formula.model_validate({"bias": 0, "weights": {"cosine": float("nan")}})
    assert Formula(bias=0, weights={}).value({}) == 0.5

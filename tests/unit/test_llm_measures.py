"""ROUGE-L, chrF, likeness by vectors, support by a passage, and agreement, against published values and by hand."""

import numpy as np
import pytest

from llm_engineering.application.instructions.settings import Gates
from llm_engineering.application.llm_evaluation.agreement import (
    alpha,
    first_bias,
    interval,
    nominal,
    of_orders,
    of_scores,
)
from llm_engineering.application.llm_evaluation.matching import cosine, token_match
from llm_engineering.application.llm_evaluation.overlap import chrf, rouge_l
from llm_engineering.application.llm_evaluation.supporting import supported

PASSAGE = "The server listens on port 8080. It does not write logs unless the flag --verbose is set in 2024."


@pytest.mark.parametrize(
    ("reference", "answer", "published"),
    [
        # Lin 2004, section 3.1: S1 against S2 and S3, with beta = 1.
        ("police killed the gunman", "police kill the gunman", 0.75),
        ("police killed the gunman", "the gunman kill police", 0.5),
        # Lin 2004, section 3.1: LCS matches in order only one of "the gunman" and "police killed".
        ("police killed the gunman", "the gunman police killed", 0.5),
        # The example in the documentation of the package rouge-score.
        ("The quick brown fox jumps over the lazy dog", "The quick brown dog jumps on the log.", 2 * 5 / 17),
        ("a b c", "", 0.0),
        ("", "", 0.0),
        ("Größe zählt", "GRÖSSE ZÄHLT", 1.0),
    ],
)
def test_rouge_l_is_that_of_the_paper(reference: str, answer: str, published: float) -> None:
    assert rouge_l(reference, answer) == pytest.approx(published)


def test_rouge_l_compares_pairs_of_characters_where_there_are_no_spaces() -> None:
    assert rouge_l("今日は天気がいい", "今日は天気がわるい") == pytest.approx(2 * 5 / (7 + 8))


@pytest.mark.parametrize(
    ("answer", "reference", "published"),
    [  # the tests of sacreBLEU: effective order, 6 characters, beta = 3
        ("a", "a", 100.0),
        ("", "reference", 0.0),
        ("a b c", "a b c", 100.0),
        ("a b c", "abc", 100.0),
        ("", "c", 0.0),
        ("aa", "ab", 25.0),
        ("abcdefg", "hijklmnop", 0.0),
        (
            " risk assessment must be made of those who are qualified and expertise in the sector - these are the "
            "scientists .",
            "risk assessment has to be undertaken by those who are qualified and expert in that area - that is the "
            "scientists .",
            63.361730,
        ),
        (
            " Die    Beziehung zwischen  Obama und Netanjahu ist nicht gerade  freundlich. ",
            "Das Verhältnis zwischen Obama und Netanyahu ist nicht gerade freundschaftlich.",
            64.1302698,
        ),
    ],
)
def test_chrf_is_that_of_sacrebleu(answer: str, reference: str, published: float) -> None:
    assert 100 * chrf(reference, answer, beta=3) == pytest.approx(published, abs=0.05)


def test_token_match_is_one_for_the_same_and_order_does_not_count() -> None:
    vectors = np.eye(4, dtype=np.float32)
    assert token_match(vectors, vectors[::-1]) == pytest.approx(1.0)
    assert token_match(vectors[:2], vectors[2:]) == 0.0
    # Half of the answer is in the reference, all of the reference in the answer: F of 1/2 and 1.
    assert token_match(vectors[:2], vectors) == pytest.approx(2 / 3)
    assert token_match(vectors[:0], vectors) == 0.0
    assert cosine([1.0, 0.0], [-1.0, 0.0]) == 0.0


def test_a_passage_supports_what_it_says_and_nothing_else() -> None:
    def measured(answer: str) -> dict[str, float]:
        return supported("On which port does the server listen?", answer, PASSAGE, Gates(), "english")

    good = measured("The server listens on port 8080.")
    assert good == {"grounded": 1.0, "support": 1.0, "verbatim": 1.0}
    assert measured("The server listens on port 9090.")["grounded"] == 0.0
    assert measured("It was written by Gottfried Zorbo.")["grounded"] == 0.0
    assert measured("the of, and it is the to")["grounded"] == 0.0  # what a model says that has learnt little
    assert measured("")["grounded"] == measured("…")["support"] == 0.0
    quoting = measured('The page says "does not write logs unless the flag", and "writes logs always and everywhere".')
    assert quoting["quotes"] == 0.5
    # A quote that leaves the negation out is none.
    assert measured('It says "write logs unless the flag --verbose is set".')["quotes"] == 0.0
    assert supported("Why?", "So.", "  ", Gates(), "english") == {}


def test_alpha_is_that_of_krippendorffs_example() -> None:
    # Krippendorff 2011, section D: four observers, twelve units, missing data.
    missing = None
    table = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, missing, missing, missing],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, missing, 3],
        [missing, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, missing],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, missing],
    ]
    units = [[float(value) for value in column if value is not None] for column in zip(*table, strict=True)]
    assert alpha(units, nominal) == pytest.approx(0.743, abs=5e-4)
    assert alpha(units, interval) == pytest.approx(0.849, abs=5e-4)


def test_a_judge_that_looks_at_the_place_alone_is_not_trusted() -> None:
    biased = of_orders([(-1.0, 1.0)] * 20, 0.667)  # whichever is shown first
    assert (biased.first, biased.share, biased.trusted) == (1.0, 0.0, False)
    assert biased.alpha < 0
    last = of_orders([(1.0, -1.0)] * 20, 0.667)
    assert "shown second" in last.reason
    noisy = of_orders([(1.0, -1.0), (-1.0, 1.0), (1.0, 1.0), (-1.0, -1.0)] * 5, 0.667)
    assert not noisy.trusted
    assert "do not agree" in noisy.reason
    fair = of_orders([(1.0, 1.0), (-1.0, -1.0), (0.0, 0.0)] * 7, 0.667)
    assert (fair.alpha, fair.trusted) == (1.0, True)
    rare = of_orders([(1.0, 1.0)] * 19 + [(1.0, 0.0)], 0.667)  # alpha is about 0, and nearly all agree
    assert rare.alpha < 0.1
    assert rare.trusted
    assert not of_orders([], 0.667).trusted


def test_grades_that_change_from_one_judgement_to_the_next_are_not_trusted() -> None:
    assert of_scores([[0.0, 0.0], [1.0, 1.0], [0.5, 0.5]], 0.667).trusted
    assert not of_scores([[0.0, 1.0], [1.0, 0.0], [0.5, 0.0]], 0.667).trusted
    once = of_scores([[0.0], [1.0]], 0.667)
    assert (once.units, once.trusted) == (0, False)
    assert "repeats" in once.reason


def test_the_bias_of_the_place_is_a_sign_test() -> None:
    assert first_bias(0, 0) == first_bias(5, 10) == 1.0
    assert first_bias(10, 10) == pytest.approx(2 / 1024)
    assert first_bias(9, 10) == pytest.approx(22 / 1024)

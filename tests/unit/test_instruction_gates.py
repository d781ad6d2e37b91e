import numpy as np
import pytest
from loguru import logger

from llm_engineering.application.instructions.gates import distinct, grounded, is_same, length_bias, refuse, verbatim
from llm_engineering.application.instructions.grounding import grounding
from llm_engineering.application.instructions.leakage import Vectors, apart, leaks
from llm_engineering.application.instructions.mixing import GeneralRow, mixed_in
from llm_engineering.application.instructions.settings import Apart, Gates
from llm_engineering.application.instructions.verbatim import locate, stands
from llm_engineering.application.text.spans import Span
from llm_engineering.domain.errors import GateFailed
from llm_engineering.domain.instructions import Draft, Instruction

PASSAGE = (
    "Peregrine falcons dive on pigeons at 300 kilometres an hour. They fold their three-toed wings, which the "
    'manual of the Ministry calls "the stoop". Do not feed them bread.'
)
QUESTION = "How fast do peregrine falcons dive?"


def draft(answer: str, question: str = QUESTION, **values: object) -> Draft:
    return Draft(question, answer, "d", "c", PASSAGE, "llm", "s", **{"writer": "m", **values})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "answer",
    [
        "They dive at 300 kilometres an hour.",
        "Peregrine falcons dive at 300 kilometres an hour on pigeons, and fold their wings.",
        'The Ministry calls it "the stoop".',
        "1. Falcons dive on pigeons.\n2. They fold their wings.",
        "Do not feed falcons bread.",
    ],
)
def test_answers_of_a_passage_are_grounded(answer: str) -> None:
    kept, figure = grounded([draft(answer)], Gates())
    assert kept, (answer, grounding(QUESTION, answer, PASSAGE), figure.note)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("They dive at 320 kilometres an hour.", "numbers"),
        ("They dive on seven pigeons an hour.", "numbers"),
        ("Falcons dive on pigeons, as Zorbo wrote of falcons.", "name"),
        ('Falcons dive on pigeons, "like an arrow".', "quotes"),
        ("Falcons never dive on pigeons.", ""),
        ("Electric trains need overhead wires and substations.", "words"),
        ("Falcons dive on pigeons at 300 kilometres. Their ancestors crossed oceans to nest on icebergs.", "words"),
    ],
)  # fmt: skip
def test_what_is_invented_is_not_grounded(answer: str, why: str) -> None:
    passage = PASSAGE.replace("Do not feed them bread.", "")
    one = Draft(QUESTION, answer, "d", "c", passage, "llm", "s", writer="m")
    kept, figure = grounded([one], Gates())
    assert not kept
    assert why in figure.note
    assert not figure.passed


def test_a_question_about_something_else_is_not_grounded() -> None:
    kept, _ = grounded([draft("They dive at 300 kilometres an hour.", "Who painted Guernica?")], Gates())
    assert not kept
    kept, _ = grounded([draft("Falcons dive on pigeons.", "How did falcons dive in 1654?")], Gates())
    assert not kept


def test_a_set_is_refused_when_too_many_answers_are_invented_and_not_before() -> None:
    good, bad = draft("They dive at 300 kilometres an hour."), draft("Trains need overhead wires.")
    kept, figure = grounded([good] * 8 + [bad] * 2, Gates())
    assert (len(kept), figure.failed, figure.value, figure.passed) == (8, 2, 0.2, True)
    refuse([figure])
    # The document's own words do not water it down.
    own = [draft(PASSAGE[:20], writer="", start=0, end=20)] * 100
    _, figure = grounded([*own, good, bad], Gates())
    assert (figure.rows, figure.value) == (2, 0.5)
    with pytest.raises(GateFailed, match=r"refused, and nothing was written: groundedness 0\.500"):
        refuse([figure])


def test_an_extract_is_found_at_its_place_whatever_its_white_space() -> None:
    text = "Tea is hot. Ice is\n  cold.\n\nTea is hot. Nothing else."
    assert locate(text, "Ice is cold.", Span(12, 25)) == Span(12, 26)
    assert locate(text, "Tea is hot.", Span(28, len(text))) == Span(28, 39)
    assert locate(text, "Tea is hot.", Span(12, 20)) is None  # the document says it, the passage does not
    assert locate(text, "tea is hot.", Span(0, 20)) is None
    assert locate(text, "ea is hot.", Span(0, 20)) is None
    assert locate("You should not use it here.", "use it here.", Span(0, 27)) is None  # the denial was left out
    assert locate(text, "", Span(0, 20)) is None
    assert locate("a+b (c)", "a+b (c)", Span(0, 7)) == Span(0, 7)
    assert stands(text, "Ice is cold.", 12, 26)
    assert not stands(text, "Ice is cold.", 12, 24)


def test_the_better_answer_becomes_the_documents_own_words() -> None:
    text = "Tea is\nhot. Ice is cold."
    drafts = [draft("Tea is hot."), draft("Tea is warm."), draft("Ice is cold.", start=12, end=24)]
    kept, figure = verbatim(drafts, {"d": text}, {"c": Span(0, 24)}, Gates())
    assert [(one.answer, one.start, one.end) for one in kept] == [("Tea is\nhot.", 0, 11), ("Ice is cold.", 12, 24)]
    assert (figure.failed, figure.passed) == (1, False)


def test_answers_that_differ_only_in_typing_are_the_same() -> None:
    pairs = [("It is hot.", "it is  hot"), ("It is hot.", ""), ("It is hot.", "It is not hot."), ("", " ")]
    assert [is_same(*pair) for pair in pairs] == [True, True, False, True]
    kept, figure = distinct([draft(one, rejected=other) for one, other in pairs[:3]], Gates())
    assert (len(kept), figure.failed, figure.passed) == (1, 2, False)


def test_length_that_gives_the_better_answer_away_is_refused() -> None:
    long, short = "one two three four five six", "one two"
    figure = length_bias([(long, short)] * 19 + [(short, long)], Gates())
    assert (figure.value, figure.passed) == (0.95, False)
    assert "longer in 0.950 of 20 pairs" in figure.note
    assert length_bias([(short, long)] * 20, Gates()).value == 1.0  # the shorter one gives it away as well
    assert length_bias([(short, long), (long, short)] * 10, Gates()).passed
    assert length_bias([(long, short)] * 3, Gates()).passed  # three pairs say nothing
    assert length_bias([], Gates()).passed
    assert length_bias([("订单页面有退款按钮，填写原因后提交即可", "不知道")] * 20, Gates()).value == 1.0


def row(number: int, split: str, instruction: str, answer: str) -> Instruction:
    name = str(number)
    return Instruction(name, instruction, answer, name, name, answer, "faq", "", "s", name, split)


def test_rows_that_are_alike_across_splits_go_from_the_one_that_is_learnt_from() -> None:
    answer = "Bakers knead rye dough before dawn and let loaves rise beside warm ovens until six"
    rows = [
        row(0, "test", "How do bakers make bread?", answer),
        row(1, "train", "Tell me about the work of a baker", answer.replace("dawn", "sunrise")),
        row(
            2, "train", "How do bakers make their bread?", "Cellos need rosin because horsehair slips over gut strings"
        ),
        row(3, "validation", "Why is the sky blue?", "Light of short waves is scattered more than light of long ones"),
        row(4, "train", "What colour has the sky, and why?", "It scatters"),
    ]
    assert [one.id for one in apart(rows, Apart(), Vectors())] == ["0", "3", "4"]
    assert len(leaks(rows, Apart(), Vectors())) == 3
    # A paraphrase is told by the vectors of instruction and passage together.
    near = {
        rows[3].instruction: np.array([1, 0], "float32"),
        rows[4].instruction: np.array([0.8, 0.6], "float32"),
    }
    passages = {"3": np.array([1, 0], "float32"), "4": np.array([0.7, 0.714], "float32")}
    assert [one.id for one in apart(rows, Apart(), Vectors(near, passages))] == ["0", "3"]
    passages["4"] = np.array([0, 1], "float32")
    assert [one.id for one in apart(rows, Apart(), Vectors(near, passages))] == ["0", "3", "4"]


def test_a_document_in_two_splits_is_a_leak() -> None:
    rows = [row(0, "test", "Why?", "Because"), row(0, "train", "How so?", "Thus")]
    assert [text[:10] for text in leaks(rows, Apart(), Vectors())] == ["document 0", "cluster 0 "]


def test_a_general_set_is_mixed_in_by_its_share_and_without_what_is_held_out() -> None:
    rows = [row(n, "train", f"Question number {n}", "x") for n in range(80)]
    rows.append(row(99, "test", "What is the boiling point of water?", "A hundred degrees at the level of the sea."))
    general = [GeneralRow(f"Tell me about topic {n * 'x'}y{n}", f"Topic {n} is about thing {n}") for n in range(100)]
    leak = GeneralRow("What is the boiling point of the water?", "It depends.")
    copy = GeneralRow("At what heat do kettles whistle?", "A hundred degrees at the level of the sea.")
    found = mixed_in(rows, [leak, copy, GeneralRow("", "x"), *general], 0.2, 0, 0.7)
    assert len(found) == 20
    assert leak not in found
    assert copy not in found
    assert mixed_in(rows, general, 0.2, 0, 0.7) == mixed_in(rows, list(reversed(general)), 0.2, 0, 0.7)
    said: list[str] = []
    sink = logger.add(said.append, format="{message}")
    few = mixed_in(rows, [leak, copy, *general[:20]], 0.5, 0, 0.7)
    logger.remove(sink)
    assert len(few) == 20
    assert "has 20 rows that can be mixed in, and a share of 0.5 takes 80; it is 0.200 now" in said[0]

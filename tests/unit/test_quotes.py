from collections import Counter
from pathlib import Path

import pytest
from answering_world import document
from quote_cases import FOREIGN, Case, cases, texts

from llm_engineering.application.answering.plain_text import plain
from llm_engineering.application.answering.quotes import Proof, StoredText, prove, proves
from llm_engineering.application.text.spans import Span


def proof(quote: str, text: str, *others: str) -> Proof:
    stored = [StoredText(document(other, f"other{number}")) for number, other in enumerate(others)]
    return prove(quote, StoredText(document(text)), stored)


def said(quote: str, text: str) -> str:
    found = proof(quote, text)
    assert found.verdict == "found", quote
    return text[found.span.start : found.span.end]


def check(every: list[Case]) -> None:
    wrong = [case for case in every if (proof(case.quote, case.text).verdict == "found") != case.real]
    passed = [case for case in wrong if not case.real]
    assert not passed, [(case.how, case.quote) for case in passed]
    real = sum(case.real for case in every)
    missed = Counter(case.how for case in wrong)
    assert sum(missed.values()) <= 0.01 * real, [(case.how, case.quote) for case in wrong]


def test_of_a_thousand_quotes_no_fabricated_one_passes_and_real_ones_do(faq: Path) -> None:
    every = list(cases(texts(faq)))
    assert len(every) >= 1_000
    assert min(sum(case.real for case in every), sum(not case.real for case in every)) > 400
    check(every)


def test_quotes_in_other_scripts() -> None:
    check(list(cases(FOREIGN)))


@pytest.mark.parametrize(
    ("quote", "text", "place"),
    [
        ('see "the page" - it\'s free', "Do see “the page” – it’s  free.", "see “the page” – it’s  free"),
        ("You can join the course", "You **can** join\nthe _course_ later.", "You **can** join\nthe _course"),
        ("see the manual for details", "Please see [the manual](https://x.test/a) for details.", None),
        ("the office files are here", "All the o\ufb03ce \ufb01les are here.", None),
        ("Café au lait is served", "Cafe\u0301 au lait is served.", None),
        ("Software is written here", "Soft\u00adware is writ\u00adten here.", None),
        ("散歩をしましょう", "今日は晴れ。散歩をしましょう。", "散歩をしましょう"),
        ("run pip install foo first", "You must run `pip install foo` first.", None),
    ],
)
def test_typing_does_not_matter_and_the_span_is_of_the_stored_text(quote: str, text: str, place: str | None) -> None:
    found = said(quote, text)
    assert place is None or found == place
    assert (
        plain(found, without_markup=True).text.replace("_", "").strip("*[`") == plain(quote, without_markup=True).text
    )


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        ("costs 5 dollars a month", "It costs 15 dollars a month."),
        ("5 dollars a month", "It costs 15 dollars a month."),
        ("It costs exactly 15", "It costs exactly 15.5 dollars."),
        ("the rate is about 5", "the rate is about 5%"),
        ("5 degrees in the night", "It is -5 degrees in the night."),
        ("install the package twice", "Do **not** install the package twice."),
        ("install the package twice", "Do not\ninstall the package twice."),
        ("smoking rooms are available", "non-smoking rooms are available"),
        ("Der Zug fährt heute", "Der Zug fährt heute nicht."),
        ("この機能は利用可能では", "この機能は利用可能ではありません。"),
        ("开放时间是每天早上", "不开放时间是每天早上"),
        ("五十人参加了这次会议", "二百五十人参加了这次会议"),
        ("Call init() before the rest", "Call __init__() before the rest"),
        ("The area is 102 square metres", "The area is 10² square metres"),
        ("US forces left the area", "us forces left the area"),
        ("we use 23 for the rest", "we use 2*3 for the rest"),
        ("क्ष त्र ज्ञ क", "क्ष त्र ज्ञ कि"),
        ("stall the package now", "in\u00adstall the package now"),
        ("You should … use it", "You should not use it"),
        ("You should ... use it now", "You should never ... use it now"),
        ("", "anything"),
        ("Yes.", "Yes. You can."),
    ],
)
def test_what_changes_the_meaning_is_not_found(quote: str, text: str) -> None:
    assert proof(quote, text).verdict != "found"


def test_verdicts_tell_what_is_wrong() -> None:
    one, two = "Apples are sweet and round fruit. Pears grow on tall old trees.", "Plums are blue and very small fruit."
    assert proof("Plums are blue and very small", one, two) == Proof("misattributed", "other0", Span(0, 29))
    assert proof("Apples are sweet … Pears grow on tall old trees.", one).verdict == "stitched"
    assert proof("Apples are sweet Pears grow on tall", one).verdict == "stitched"
    assert proof("Bananas are yellow and bent", one, two).verdict == "absent"


def test_of_several_places_the_one_in_the_passage_is_cited() -> None:
    text = "The tea is hot now. " * 3
    stored = StoredText(document(text), Span(20, 40))
    assert prove("The tea is hot now.", stored).span == Span(20, 39)


def test_short_quotes_prove_nothing() -> None:
    assert not proves("It is.")
    assert not proves("是的")
    assert proves("它每天早上九点开放")


def test_long_and_hostile_texts_take_little_time() -> None:
    text = "*a_b`[x](" * 20_000 + "The end of the text is here."
    assert proof("The end of the text is here.", text).verdict == "found"
    assert proof("The end of the world is near.", text).verdict != "found"
    assert proof("a " * 9_000, "a " * 9_000 + "b").verdict == "found"

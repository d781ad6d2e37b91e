"""What a reader has before the eyes: where an answer begins, where a source stands, what the page claims of both."""

import re
from typing import Any

import pytest
from chat_answers import answer, citation, document, events, hit
from chat_server import Script
from playwright.sync_api import expect

from .conftest import Desk

pytestmark = pytest.mark.browser

LONG = "\n\n".join(f"Paragraph {number} of a long answer." for number in range(40))


def test_the_beginning_of_a_long_answer_stays_in_view_until_the_reader_wants_its_end(desk: Desk) -> None:
    desk.chat.scripts += [Script(events("A short answer [1].")), Script(events(LONG, piece=80))]
    page = desk.open()
    desk.ask("First?")
    expect(page.locator(".turn .meta")).to_have_count(1)
    desk.ask("Second?")
    expect(page.locator(".turn .meta")).to_have_count(2)
    expect(page.get_by_role("heading", name="Second?")).to_be_in_viewport(ratio=1)
    expect(page.locator(".text p").filter(has_text="Paragraph 0 of")).to_be_in_viewport()
    expect(page.locator(".text p").filter(has_text="Paragraph 39 of")).not_to_be_in_viewport()
    page.locator("#latest").click()
    expect(page.locator(".turn").last.locator(".meta")).to_be_in_viewport()


def test_a_question_stays_in_view_when_the_browser_moves_the_text_while_the_answer_grows(desk: Desk) -> None:
    first, second = ("\n\n".join(LONG.split("\n\n")[:count]) for count in (4, 9))
    desk.chat.scripts += [Script(events(first)), Script(events(second, piece=4_000), pause=0.4)]
    page = desk.open()
    desk.ask("First?")
    expect(page.locator(".turn .meta")).to_have_count(1)
    desk.ask("Second?")
    expect(page.locator(".turn .meta")).to_have_count(2)
    expect(page.get_by_role("heading", name="Second?")).to_be_in_viewport(ratio=1)


def test_of_a_question_that_fills_the_page_the_answer_is_in_view(desk: Desk) -> None:
    desk.chat.scripts.append(Script(events("A short answer.\n\n" + LONG)))
    page = desk.open()
    desk.ask("why " * 2000)
    expect(page.locator(".turn .meta")).to_have_count(1)
    expect(page.locator(".text p").first).to_be_in_viewport()


def test_words_of_a_wide_table_stay_whole_and_it_scrolls(desk: Desk) -> None:
    wide = "| kind |" + " column |" * 20 + "\n|---|" + "---|" * 20 + f"\n| {'x' * 400} |" + " value |" * 20
    desk.chat.scripts.append(Script(events(wide)))
    page = desk.open()
    desk.ask("Table?")
    expect(page.locator(".turn .meta")).to_have_count(1)
    heads = page.locator("th").all()
    assert max(head.bounding_box()["height"] for head in heads) < 50  # type: ignore[index]  # a line and its padding
    table, window = page.locator(".table"), page.viewport_size or {"width": 0}
    assert table.evaluate("table => table.scrollWidth > table.clientWidth")
    assert page.locator("td").first.bounding_box()["width"] < 500  # type: ignore[index]  # the long word is broken
    assert page.evaluate("document.documentElement.scrollWidth") <= window["width"]


def test_a_reader_who_went_to_the_end_stays_there_while_the_answer_grows(desk: Desk) -> None:
    desk.chat.scripts.append(Script(events(LONG, piece=20), pause=0.05))
    page = desk.open()
    desk.ask("Long?")
    page.locator("#latest").click()
    expect(page.locator(".turn .meta")).to_be_in_viewport()


def test_where_a_source_is_from_stays_in_view_when_its_quotation_is_near(desk: Desk) -> None:
    desk.chat.scripts.append(Script(events()))
    page = desk.open()
    desk.ask("Can I join late?")
    page.get_by_role("button", name=re.compile("^Source 1")).click()
    panel = page.get_by_role("complementary")
    expect(panel.locator("mark")).to_be_in_viewport()
    expect(panel.locator(".panel-meta")).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize(("format", "family"), [("code", "mono"), ("markdown", "sans-serif")])
def test_a_source_of_code_is_set_as_code(desk: Desk, format: str, family: str) -> None:
    desk.chat.documents["d1"] = {**document(text="def swim():\n    return 1"), "format": format}
    desk.chat.scripts.append(Script(events("So [1].", citations=[citation(start=0, end=3)])))
    page = desk.open()
    desk.ask("So?")
    page.get_by_role("button", name=re.compile("^Source 1")).click()
    source = page.get_by_role("complementary").locator(".document")
    assert family in source.evaluate("(element) => getComputedStyle(element).fontFamily")


def test_the_field_for_a_comment_comes_into_view(desk: Desk) -> None:
    desk.chat.scripts.append(Script(events(LONG)))
    page = desk.open()
    desk.ask("Long?")
    page.locator("#latest").click()
    page.get_by_role("button", name="Bad answer").click()
    expect(page.get_by_role("button", name="Send comment")).to_be_in_viewport(ratio=1)


def test_what_is_merely_nearest_is_not_called_verified(desk: Desk) -> None:
    said = "The sources do not answer this question. The nearest passages: [1]"
    places: dict[str, Any] = {"citations": [citation()], "hits": [hit()]}
    desk.chat.scripts.append(Script(events(said, outcome="no_answer", **places)))
    page = desk.open()
    desk.ask("What is the moon made of?")
    page.get_by_role("button", name="Passage 1: Course FAQ.").click()
    panel = page.get_by_role("complementary")
    expect(panel.locator("mark")).to_be_visible()
    expect(panel.locator(".badge")).to_have_count(0)


@pytest.mark.parametrize(("confidence", "words"), [(0.9998, "over 99 %"), (0.0004, "under 1 %"), (0.5, "50 %")])
def test_nothing_is_called_certain(desk: Desk, confidence: float, words: str) -> None:
    desk.chat.scripts.append(Script([("finished", answer(confidence=confidence))]))
    page = desk.open()
    desk.ask("So?")
    expect(page.locator(".meta")).to_contain_text(f"confidence {words}")

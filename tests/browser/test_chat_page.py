"""The chat page as a person uses it, in a real browser."""

import json
import re
from typing import Any

import pytest
from chat_answers import ANSWER, OTHER, QUOTE, answer, citation, document, events, hit
from chat_server import Script
from playwright.sync_api import expect

from .conftest import Desk

pytestmark = pytest.mark.browser


def test_an_answer_is_streamed_and_ends_with_sources_and_what_it_took(desk: Desk) -> None:
    desk.chat.scripts.append(Script(events(), split=3))
    page = desk.open()
    desk.ask("Can I join late?")
    turn = page.locator(".turn")
    expect(turn.get_by_role("heading", name="Can I join late?")).to_be_visible()
    expect(turn.locator(".text strong")).to_have_text("Yes")
    expect(turn.get_by_role("button", name=re.compile("^Source 1: Course FAQ. Verified"))).to_be_visible()
    expect(turn.locator(".sources .source")).to_have_count(2)
    expect(turn.locator(".meta")).to_have_text("extractiveconfidence 82 %840 ms980 tokens")
    assert desk.chat.asked == [{"question": "Can I join late?", "llm": "extractive", "stream": True}]


def test_text_appears_before_the_answer_is_complete_and_umlauts_survive_any_cut(desk: Desk) -> None:
    text = "Grüße aus Köln 🐳 und mehr."
    head = events(text)[:-1]
    desk.chat.scripts.append(Script(head, split=1, hang=True))
    page = desk.open()
    desk.ask("Hallo?")
    expect(page.locator(".turn .text")).to_have_text(text)
    expect(page.get_by_role("button", name="Stop the answer")).to_be_visible()


def test_the_text_of_the_finished_answer_counts(desk: Desk) -> None:
    parts = [*events("Draft that is wrong.")[:-1], ("finished", answer("The final text [1]."))]
    desk.chat.scripts.append(Script(parts))
    page = desk.open()
    desk.ask("Well?")
    expect(page.locator(".turn .text")).to_have_text("The final text 1.")


def test_a_citation_opens_its_source_with_the_quotation_marked(desk: Desk) -> None:
    desk.chat.scripts.append(Script(events()))
    page = desk.open()
    desk.ask("Can I join late?")
    mark = page.get_by_role("button", name=re.compile("^Source 1"))
    mark.click()
    panel = page.get_by_role("complementary")
    expect(panel.locator("mark")).to_have_text(QUOTE)
    expect(panel.locator("mark")).to_be_in_viewport()
    expect(panel.get_by_role("heading", name="Course FAQ")).to_be_focused()
    link = panel.get_by_role("link")
    expect(link).to_have_attribute("href", "https://example.org/faq?a=1")
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(mark).to_be_focused()


def test_a_quotation_deep_in_a_long_document_is_scrolled_into_view_and_more_can_be_shown(desk: Desk) -> None:
    text = "Start. " + "a line\n" * 900 + "THE PLACE 🐳" + "\nanother line" * 900
    start = text.index("THE PLACE")
    cited = citation(quote="THE PLACE 🐳", start=start, end=start + 11)
    desk.chat.documents["d1"] = document(text=text)
    desk.chat.scripts.append(Script(events("See [1].", citations=[cited])))
    page = desk.open()
    desk.ask("Where?")
    page.get_by_role("button", name=re.compile("^Source 1")).click()
    panel = page.get_by_role("complementary")
    expect(panel.locator("mark")).to_have_text("THE PLACE 🐳")
    expect(panel.locator("mark")).to_be_in_viewport()
    panel.get_by_role("button", name="Show more around it").click()
    expect(panel.locator(".document")).to_contain_text("a line\n" * 300)
    expect(panel.locator("mark")).to_be_in_viewport()


@pytest.mark.parametrize(
    ("verdict", "words"),
    [("found", "Verified"), ("misattributed", "Other source"), ("stitched", "Pieced together"), ("absent", "Not in")],
)
def test_each_verdict_has_its_words(desk: Desk, verdict: str, words: str) -> None:
    desk.chat.scripts.append(Script(events("So [1].", citations=[citation(verdict=verdict)])))
    page = desk.open()
    desk.ask("So?")
    expect(page.locator(".sources .badge")).to_contain_text(words)


def test_flags_are_sentences_and_each_stands_once(desk: Desk) -> None:
    desk.chat.scripts.append(Script(events(flags=["injection:c1", "injection:c2", "cut"])))
    page = desk.open()
    desk.ask("So?")
    expect(page.locator(".note")).to_have_text(
        [
            "A source contains instructions to the assistant; they were ignored.",
            "The answer reached its length limit and ends early.",
        ]
    )


def test_no_answer_is_said_and_the_nearest_passages_can_be_opened(desk: Desk) -> None:
    said, seconds = "The sources do not answer this question. The nearest passages: [1]", {"search": 0.0211}
    places: dict[str, Any] = {"citations": [citation(1)], "hits": [hit(1), hit(2)]}
    nothing = events(said, outcome="no_answer", confidence=0.1, seconds=seconds, **places)
    desk.chat.scripts.append(Script(nothing))
    page = desk.open()
    desk.ask("What is the moon made of?")
    expect(page.locator(".answer").get_by_text("The sources do not answer")).to_have_count(1)
    expect(page.get_by_role("heading", name="1 nearest passage")).to_be_visible()
    expect(page.locator(".sources .badge")).to_have_count(0)
    expect(page.locator(".meta")).to_contain_text("21 ms")
    page.get_by_text("1 other passage found").click()
    page.locator(".others .source").first.click()
    expect(page.get_by_role("complementary").locator("mark")).to_be_visible()


def test_a_source_that_is_gone_is_said_in_the_panel(desk: Desk) -> None:
    desk.chat.documents.clear()
    desk.chat.scripts.append(Script(events()))
    page = desk.open()
    desk.ask("So?")
    page.get_by_role("button", name=re.compile("^Source 1")).click()
    expect(page.get_by_role("complementary")).to_contain_text("This is no longer here, or you may not see it.")


def test_filters_and_the_model_are_sent_and_a_chip_removes_one(desk: Desk) -> None:
    desk.chat.facets = {"source": {"faq": 9, "manual": 3}, "metadata.course": {"ml": 5, "__proto__": 1, "de": 2}}
    desk.chat.models = ["extractive", "small"]
    page = desk.open()
    expect(page.get_by_text("Searches 12 passages from 2 sources.")).to_be_visible()
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("Source", exact=True).select_option("faq")
    page.get_by_label("Course", exact=True).select_option("ml")
    page.get_by_label("Course", exact=True).select_option("__proto__")
    page.get_by_label("Model").select_option("small")
    desk.chat.scripts += [Script(events()), Script(events())]
    desk.ask("One?")
    expect(page.locator(".sources")).to_have_count(1)
    page.get_by_role("button", name="Remove the filter Source: faq").click()
    desk.ask("Two?")
    expect(page.locator(".sources")).to_have_count(2)
    assert [asked["filter"] for asked in desk.chat.asked] == [
        {"source": "faq", "metadata.course": ["ml", "__proto__"]},
        {"metadata.course": ["ml", "__proto__"]},
    ]
    assert desk.chat.asked[0]["llm"] == "small"


def test_a_facet_of_many_values_is_searched_by_typing(desk: Desk) -> None:
    desk.chat.facets = {"author": {f"author {number}": number for number in range(3000)}}
    page = desk.open()
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("Author").fill("author 1234")
    expect(page.get_by_text("Author: author 1234")).to_be_visible()


def past(id: str, title: str, day: int, turns: int = 1) -> dict[str, Any]:
    asked = {"question": f"Question of {title}", "answer_id": "a0", "answer": "The *answer* [1].", "at": ""}
    times = {"created_at": "2026-01-01", "updated_at": f"2026-01-{day:02}"}
    return {"id": id, "owner": "me", "title": title, **times, "turns": [asked] * turns}


def test_conversations_are_listed_opened_continued_and_deleted(desk: Desk) -> None:
    desk.chat.conversations = {"x1": past("x1", "Older", 1), "x2": past("x2", "Newer", 2)}
    page = desk.open()
    items = page.get_by_role("navigation").locator(".conversation")
    expect(items).to_have_text(["Newer", "Older"])
    items.get_by_text("Older").click()
    expect(page.get_by_role("heading", name="Older", exact=True)).to_be_visible()
    expect(page.locator(".turn .text em")).to_have_text("answer")
    desk.chat.scripts.append(Script(events(conversation_id="x1")))
    desk.ask("And then?")
    expect(page.locator(".sources")).to_be_visible()
    assert desk.chat.asked[-1]["conversation_id"] == "x1"
    page.reload()
    expect(page.get_by_role("heading", name="Older", exact=True)).to_be_visible()
    page.get_by_role("button", name="Delete the conversation Older").click()
    page.get_by_role("button", name="Keep it").click()
    page.get_by_role("button", name="Delete the conversation Older").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(items).to_have_text(["Newer"])
    expect(page.get_by_role("heading", name="What would you like to know?")).to_be_visible()
    assert set(desk.chat.conversations) == {"x2"}


def test_the_address_of_a_conversation_opens_it_in_a_page_that_is_open_already(desk: Desk) -> None:
    desk.chat.conversations = {"x1": past("x1", "Older", 1), "x2": past("x2", "Newer", 2)}
    page = desk.open()
    for name, title in (("x1", "Older"), ("x2", "Newer"), ("x1", "Older")):
        desk.open(f"/#conversation={name}")
        expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
        expect(page.locator(".turn")).to_have_count(1)


def test_a_title_that_is_too_long_loses_its_end_in_every_script(desk: Desk) -> None:
    long = {"x1": "The first words of a title " * 6, "x2": "המילים הראשונות של כותרת " * 6}
    desk.chat.conversations = {name: past(name, title, 1) for name, title in long.items()}
    page = desk.open()
    expect(page.locator(".conversation")).to_have_count(2)
    for row in page.locator(".conversation").all():
        first = row.evaluate(
            """row => { const range = new Range(); range.setStart(row.firstChild, 0); range.setEnd(row.firstChild, 1);
            const [word, box] = [range.getBoundingClientRect(), row.getBoundingClientRect()];
            return word.left >= box.left && word.right <= box.right; }"""
        )
        assert first


def test_sources_of_an_earlier_answer_are_shown_if_they_are_kept_and_missed_in_words_if_not(desk: Desk) -> None:
    desk.chat.conversations = {"x1": past("x1", "Older", 1, turns=2)}
    turns = desk.chat.conversations["x1"]["turns"]
    desk.chat.conversations["x1"]["turns"] = [turns[0], {**turns[1], "citations": [citation()]}]
    page = desk.open()
    page.locator(".conversation").click()
    expect(page.locator(".turn")).to_have_count(2)
    first, second = page.locator(".turn").all()
    expect(first).to_contain_text("The sources of this earlier answer are not kept here.")
    expect(first.locator(".text")).to_contain_text("[1]")
    second.get_by_role("button", name=re.compile("^Source 1")).click()
    expect(page.get_by_role("complementary").locator("mark")).to_have_text(QUOTE)


def test_a_new_conversation_takes_the_id_it_is_given_and_keeps_its_sources_when_left(desk: Desk) -> None:
    desk.chat.scripts += [Script(events()), Script(events())]
    page = desk.open()
    desk.chat.conversations["k1"] = past("k1", "One?", 1)
    desk.ask("One?")
    expect(page.locator(".sources")).to_have_count(1)
    desk.ask("Two?")
    expect(page.locator(".sources")).to_have_count(2)
    assert [asked.get("conversation_id") for asked in desk.chat.asked] == [None, "k1"]
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator(".turn")).to_have_count(0)
    expect(page.get_by_label("Your question")).to_be_focused()
    page.locator(".conversation", has_text="One?").click()
    expect(page.locator(".sources")).to_have_count(2)


def test_an_answer_goes_on_while_another_conversation_is_open(desk: Desk) -> None:
    desk.chat.conversations = {"x1": past("x1", "Older", 1), "k1": past("k1", "Slow?", 2)}
    desk.chat.scripts.append(Script(events(), split=150, pause=0.02))
    page = desk.open()
    desk.ask("Slow?")
    expect(page.get_by_role("heading", name="Slow?")).to_have_count(2)
    page.locator(".conversation", has_text="Older").click()
    expect(page.get_by_role("button", name="Send the question")).to_be_visible()
    page.locator(".conversation", has_text="Slow?").click()
    expect(page.locator(".sources")).to_be_visible()


def test_feedback_is_sent_with_its_comment(desk: Desk) -> None:
    desk.chat.scripts.append(Script(events()))
    page = desk.open()
    desk.ask("So?")
    page.get_by_role("button", name="Bad answer").click()
    expect(page.get_by_role("button", name="Bad answer")).to_have_attribute("aria-pressed", "true")
    page.get_by_label("Comment on the answer").fill("The date is wrong.")
    page.get_by_role("button", name="Send comment").click()
    expect(page.get_by_text("Thank you, your comment was sent.")).to_be_attached()
    assert desk.chat.feedback == [
        {"answer_id": "a1", "rating": "down"},
        {"answer_id": "a1", "rating": "down", "comment": "The date is wrong."},
    ]


def test_an_answer_is_copied_with_its_sources(desk: Desk) -> None:
    desk.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    desk.chat.scripts.append(Script(events()))
    page = desk.open()
    desk.ask("So?")
    page.get_by_role("button", name="Copy the answer with its sources").click()
    expect(page.get_by_text("Copied, with the sources.")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == (
        f"{ANSWER}\n\nSources\n[1] Course FAQ — https://example.org/faq?a=1\n[2] Course FAQ — https://example.org/faq?a=1"
    )


def test_source_marks_of_both_citations_open_different_places(desk: Desk) -> None:
    desk.chat.scripts.append(Script(events()))
    page = desk.open()
    desk.ask("So?")
    page.get_by_role("button", name=re.compile("^Source 2")).click()
    expect(page.get_by_role("complementary").locator("mark")).to_have_text(OTHER)
    page.locator(".sources .source").first.click()
    expect(page.get_by_role("complementary").locator("mark")).to_have_text(QUOTE)


def test_a_chosen_theme_is_kept_and_the_systems_is_the_first(desk: Desk) -> None:
    page = desk.open()
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Switch to dark mode").click()
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    assert page.evaluate(ground) == dark
    page.get_by_role("button", name="Switch to light mode").click()
    assert page.evaluate("localStorage.getItem('theme')") is None, "the system's own theme is followed again"
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(ground) == dark
    expect(page.get_by_role("button", name="Switch to light mode")).to_be_visible()


def test_a_conversation_of_a_thousand_turns_opens_and_takes_the_next_question(desk: Desk) -> None:
    desk.chat.conversations = {"x1": past("x1", "Long", 1, turns=1000)}
    desk.chat.scripts.append(Script(events(conversation_id="x1")))
    page = desk.open()
    page.locator(".conversation").click()
    expect(page.locator(".turn")).to_have_count(1000)
    desk.ask("Next?")
    expect(page.locator(".turn").last.locator(".sources")).to_be_in_viewport(timeout=20_000)


def test_nothing_is_kept_but_the_theme_and_the_key(desk: Desk) -> None:
    desk.chat.scripts.append(Script(events()))
    page = desk.open()
    desk.ask("So?")
    expect(page.locator(".sources")).to_be_visible()
    stored = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert json.loads(stored) == [{}, {}, ""]

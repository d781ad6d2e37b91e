"""What the chat page does when the service, the network or the person says no."""

import re
from collections.abc import Iterator

import pytest
from chat_answers import answer, document, events
from chat_server import Chat, Script
from playwright.sync_api import Browser, Route, expect

from .conftest import Desk, desk_of

pytestmark = pytest.mark.browser


def test_stop_keeps_what_was_written_and_the_server_notices(desk: Desk) -> None:
    desk.chat.scripts += [Script(events("A long answer.")[:-1], hang=True), Script(events())]
    page = desk.open()
    desk.ask("So?")
    expect(page.locator(".turn .text")).to_have_text("A long answer.")
    page.get_by_role("button", name="Stop the answer").click()
    expect(page.get_by_text("Stopped. What was written so far is kept, unchecked.")).to_be_visible()
    expect(page.locator(".turn .text")).to_have_text("A long answer.")
    assert desk.chat.left.wait(30)
    page.get_by_role("button", name="Ask again").click()
    expect(page.locator(".sources")).to_be_visible()
    expect(page.locator(".turn")).to_have_count(1)
    assert desk.chat.names[0] != desk.chat.names[1], "a stopped question is asked anew"


def test_escape_closes_the_panel_first_and_then_stops(desk: Desk) -> None:
    desk.chat.scripts += [Script(events()), Script(events("More.")[:-1], hang=True)]
    page = desk.open()
    desk.ask("One?")
    mark = page.get_by_role("button", name=re.compile("^Source 1"))
    expect(mark).to_be_visible()
    desk.ask("Two?")
    expect(page.get_by_text("More.", exact=True)).to_be_visible()
    mark.click()
    expect(page.get_by_role("complementary").locator("mark")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("complementary")).to_be_hidden()
    expect(page.get_by_role("button", name="Stop the answer")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".stopped")).to_be_visible()


def test_a_stream_that_breaks_keeps_what_came_and_asks_again_under_the_same_name(desk: Desk) -> None:
    desk.chat.scripts += [Script(events("Half an answer")[:-1]), Script(events("The whole answer [1]."))]
    page = desk.open()
    desk.ask("So?")
    expect(page.locator(".failure")).to_contain_text("The connection broke before the answer was complete.")
    expect(page.locator(".failure")).to_contain_text("What arrived is kept above, unchecked.")
    expect(page.locator(".turn .text")).to_have_text("Half an answer")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".turn .text")).to_have_text("The whole answer 1.")
    expect(page.locator(".failure")).to_have_count(0)
    assert desk.chat.names[0] == desk.chat.names[1]
    assert desk.chat.asked[0] == desk.chat.asked[1]


def test_a_stream_that_is_not_readable_is_a_broken_one(desk: Desk) -> None:
    desk.chat.scripts.append(Script([("piece", {"text": "A"}), ("piece", {"text": None}), ("finished", {})]))
    page = desk.open()
    desk.ask("So?")
    expect(page.locator(".failure")).to_contain_text("The connection broke before the answer was complete.")


def test_a_broken_answer_says_why_and_is_asked_anew(desk: Desk) -> None:
    broken = ("broken", {"answer_id": "a", "reason": "timeout", "detail": "The model gave nothing for 60 s."})
    desk.chat.scripts += [Script([*events("Some")[:-1], broken]), Script(events())]
    page = desk.open()
    desk.ask("So?")
    expect(page.locator(".failure")).to_contain_text("The answer took too long. The model gave nothing for 60 s.")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".sources")).to_be_visible()
    assert desk.chat.names[0] != desk.chat.names[1]
    assert desk.chat.asked[1]["conversation_id"] == "k1", "the conversation that the first attempt began"


def test_an_answer_that_comes_whole_is_shown_too(desk: Desk) -> None:
    desk.chat.scripts.append(Script([("finished", answer())]))
    page = desk.open()
    desk.ask("So?")
    expect(page.locator(".sources")).to_be_visible()


@pytest.mark.parametrize(("status", "words"), [(429, "Too many questions"), (503, "The service is not ready")])
def test_a_limit_counts_down_and_then_lets_one_try_again(desk: Desk, status: int, words: str) -> None:
    desk.chat.scripts += [Script(status=status, error="Details.", headers={"Retry-After": "2"}), Script(events())]
    page = desk.open()
    desk.ask("So?")
    box = page.locator(".failure")
    expect(box).to_contain_text(words)
    expect(box).to_contain_text("Details.")
    again = page.get_by_role("button", name="Try again")
    expect(again).to_be_disabled()
    expect(box.get_by_role("timer")).to_contain_text(re.compile(r"Possible again in [12] s"))
    expect(again).to_be_enabled(timeout=20_000)
    again.click()
    expect(page.locator(".sources")).to_be_visible()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "The filter is not understood."),
        (403, "Your key does not allow this."),
        (409, "still being answered"),
        (413, "too long"),
        (422, "The filter is not understood."),
        (500, "Something went wrong in the service."),
        (504, "took too long"),
    ],
)
def test_each_refusal_has_a_sentence_and_the_name_of_the_request(desk: Desk, status: int, words: str) -> None:
    desk.chat.scripts.append(Script(status=status, error="The filter is not understood."))
    page = desk.open()
    desk.ask("So?")
    expect(page.locator(".failure")).to_contain_text(words)
    expect(page.locator(".failure")).to_contain_text("r-17")
    expect(page.get_by_label("Your question")).to_be_enabled()


def test_without_a_connection_the_page_says_so_and_goes_on_later(desk: Desk) -> None:
    desk.chat.scripts.append(Script(events()))
    page = desk.open()
    page.context.set_offline(True)
    expect(page.get_by_text("You are offline. Questions can be sent")).to_be_visible()
    desk.ask("So?")
    expect(page.locator(".failure")).to_contain_text("You are offline. Try again once the connection is back.")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".sources")).to_be_visible()
    expect(page.get_by_text("You are offline. Questions can be sent")).to_be_hidden()


@pytest.fixture
def locked(chromium: Browser) -> Iterator[Desk]:
    with desk_of(chromium, Chat(documents={"d1": document()}, key="open-sesame")) as desk:
        yield desk
        assert not desk.violations()


def test_a_key_is_asked_for_once_kept_in_the_tab_and_can_be_forgotten(locked: Desk) -> None:
    locked.chat.scripts.append(Script(events()))
    page = locked.open()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    expect(page.get_by_label("Key", exact=True)).to_be_focused()
    page.get_by_label("Key", exact=True).fill("wrong")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_have_text("This key was not accepted.")
    page.get_by_label("Key", exact=True).fill("ключ")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_contain_text("letters, digits and signs")
    page.get_by_label("Key", exact=True).fill("open-sesame")
    page.get_by_role("button", name="Continue").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_text("Searches 948 passages")).to_be_visible()
    locked.ask("So?")
    expect(page.locator(".sources")).to_be_visible()
    assert "open-sesame" not in page.url
    page.reload()
    expect(page.get_by_text("Searches 948 passages")).to_be_attached()
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Forget the key").click()
    expect(dialog).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


def test_without_a_key_the_page_stays_usable_and_asks_again_with_the_question(locked: Desk) -> None:
    locked.chat.scripts.append(Script(events()))
    page = locked.open()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".welcome .failure")).to_contain_text("A key is needed")
    locked.ask("So?")
    page.get_by_label("Key", exact=True).fill("open-sesame")
    page.keyboard.press("Enter")
    expect(page.locator(".sources")).to_be_visible()
    assert len(locked.chat.asked) == 1


def test_a_refusal_that_comes_after_the_person_said_no_does_not_ask_them_again(locked: Desk) -> None:
    late: list[Route] = []
    locked.page.route("**/facets", lambda route: late.append(route))
    page = locked.open()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    late[0].continue_()
    expect(page.locator(".welcome .failure")).to_contain_text("A key is needed")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.unroute("**/facets")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def test_a_key_that_runs_out_in_the_middle_is_asked_for_and_the_question_is_not_lost(locked: Desk) -> None:
    page = locked.open()
    page.get_by_label("Key", exact=True).fill("open-sesame")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Searches 948 passages")).to_be_visible()
    locked.chat.key = "second"
    locked.chat.scripts.append(Script(events()))
    locked.ask("So?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_label("Key", exact=True).fill("second")
    page.keyboard.press("Enter")
    expect(page.locator(".sources")).to_be_visible()

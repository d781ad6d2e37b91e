"""The chat page by keyboard, on a phone, and for people who hear it."""

import re
from collections.abc import Iterator
from itertools import pairwise

import pytest
from chat_answers import citation, document, events
from chat_server import Chat, Script
from playwright.sync_api import Browser, Page, expect

from .conftest import Desk, desk_of

pytestmark = pytest.mark.browser

WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 3
WIDE = f"# {WORD}\n\n{WORD} [1]\n\n```\n{WORD}\n```\n\n| {WORD} | b |\n|---|---|\n| {WORD} | {WORD} |\n\n- {WORD}"
CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (color) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (rgb(color)[3] === 255) return color;
    }
    return "white";
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own && !element.placeholder || !element.checkVisibility({ visibilityProperty: true })) continue;
    if (element.closest(".hidden, :disabled, .skip, noscript, option, .progress")) continue;
    const [one, other] = [light(rgb(getComputedStyle(element).color)), light(rgb(ground(element)))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) found.push(`${element.className || element.localName}: ${ratio.toFixed(2)}`);
  }
  return found;
}"""
HEADINGS = """() => [...document.querySelectorAll("h1,h2,h3,h4,h5,h6")]
  .filter((heading) => heading.checkVisibility({ visibilityProperty: true }))
  .map((heading) => Number(heading.localName[1]))"""
CONTROLS = "button, a, input, select, textarea, summary, dialog, nav, aside, [role=group]"
NAMELESS = """(controls) => [...document.querySelectorAll(controls)]
  .filter((control) => control.checkVisibility({ visibilityProperty: true }) && !control.closest("noscript"))
  .filter((control) => {
    const by = control.getAttribute("aria-labelledby");
    const label = [control.ariaLabel, by && document.getElementById(by)?.textContent, control.labels?.[0]?.textContent];
    return ![...label, control.matches("button,a,summary") && control.textContent].some((name) => name?.trim());
  }).map((control) => control.outerHTML)"""


def fill_everything(desk: Desk) -> Page:
    """Bring the page into a state in which nearly all there is can be seen."""
    text = "# A\n\n[1] [2] [3] [4] `code`\n\n> q\n\n|a|\n|-|\n|b|"
    flags = {"flags": ["injection:c1"]}
    cited = [citation(n, verdict=v) for n, v in enumerate(("found", "misattributed", "stitched", "absent"), 1)]
    desk.chat.facets = {"source": {"faq": 9}, "course": {"ml": 5, "de": 2}}
    desk.chat.models = ["extractive", "small"]
    desk.chat.scripts += [Script(events(text, citations=cited, **flags))]
    desk.chat.scripts += [Script(status=429, error="Wait.", headers={"Retry-After": "60"})]
    page = desk.open()
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("Course", exact=True).select_option("ml")
    desk.ask("One?")
    expect(page.locator(".sources")).to_be_visible()
    page.get_by_role("button", name="Bad answer").click()
    desk.ask("Two?")
    expect(page.locator(".failure")).to_be_visible()
    page.get_by_role("button", name="Filters").click()
    page.get_by_role("button", name=re.compile("^Source 4")).first.click()
    expect(page.get_by_role("complementary").locator("mark")).to_be_visible()
    return page


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_text_has_enough_contrast(desk: Desk, theme: str) -> None:
    desk.page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    page = fill_everything(desk)
    assert page.evaluate(CONTRAST) == []


def test_every_control_has_a_name_and_headings_go_down_step_by_step(desk: Desk) -> None:
    page = fill_everything(desk)
    assert page.evaluate(NAMELESS, CONTROLS) == []
    levels = page.evaluate(HEADINGS)
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), levels
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((element) => element.id)")
    assert len(ids) == len(set(ids))


def test_all_can_be_done_without_a_mouse(desk: Desk) -> None:
    desk.chat.scripts += [Script(events()), Script(events())]
    page = desk.open()
    expect(page.get_by_label("Your question")).to_be_focused()
    page.keyboard.type("One")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("and a half?")
    page.keyboard.press("Enter")
    expect(page.locator(".sources")).to_be_visible()
    assert desk.chat.asked[0]["question"] == "One\nand a half?"
    expect(page.get_by_label("Your question")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_label("Your question")).to_have_value("One\nand a half?")
    go_to(page, "Source 1: Course FAQ. Verified", back=True)
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", "the focus can be seen"
    page.keyboard.press("Enter")
    expect(page.get_by_role("complementary").locator("mark")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Close the source")).to_be_focused()
    page.keyboard.press("Escape")
    go_to(page, "Good answer")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Good answer")).to_have_attribute("aria-pressed", "true")


def go_to(page: Page, name: str, back: bool = False) -> None:
    for _ in range(60):
        if page.evaluate("document.activeElement.ariaLabel") == name:
            return
        page.keyboard.press("Shift+Tab" if back else "Tab")
    raise AssertionError(f"{name} cannot be reached with the Tab key")


def test_the_first_stop_leads_past_the_conversations(desk: Desk) -> None:
    page = desk.open()
    page.locator("a, button, input, textarea").first.focus()
    expect(page.get_by_role("link", name="Skip to the question")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Your question")).to_be_focused()


def test_enter_belongs_to_the_input_method_while_it_composes(desk: Desk) -> None:
    page = desk.open()
    page.get_by_label("Your question").fill("にほん")
    page.evaluate(
        """() => document.getElementById("question").dispatchEvent(
            new KeyboardEvent("keydown", { key: "Enter", isComposing: true, bubbles: true, cancelable: true }))"""
    )
    expect(page.get_by_label("Your question")).to_have_value("にほん")
    assert desk.chat.asked == []


def test_a_screen_reader_hears_of_an_answer_twice_and_not_of_each_piece(desk: Desk) -> None:
    desk.chat.scripts.append(Script(events(), split=4))
    page = desk.open()
    page.evaluate(
        """() => {
            const status = document.getElementById("status");
            window.heard = [];
            new MutationObserver(() => heard.push(status.textContent)).observe(status, { childList: true });
        }"""
    )
    desk.ask("So?")
    expect(page.locator(".sources")).to_be_visible()
    heard = page.evaluate("heard")
    assert heard == ["Searching.", "Answer. Yes, you can join late 1. A certificate needs a project 2."]
    assert page.evaluate("document.getElementById('transcript').closest('[aria-live]')") is None


@pytest.fixture(params=[(360, 640), (390, 844), (320, 568)], ids=lambda size: f"{size[0]}px")
def phone(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Desk]:
    width, height = request.param
    chat = Chat(documents={"d1": document(WORD, f"https://example.org/{WORD}")})
    with desk_of(chromium, chat, viewport={"width": width, "height": height}, has_touch=True, is_mobile=True) as desk:
        yield desk
        assert not desk.violations()


def assert_fits(page: Page) -> None:
    too_wide = page.evaluate(
        """() => [...document.querySelectorAll("html, body, main, .transcript, .panel-body, nav")]
            .filter((box) => box.scrollWidth > box.clientWidth && box.checkVisibility({ visibilityProperty: true }))
            .map((box) => `${box.localName}.${box.className} ${box.scrollWidth} > ${box.clientWidth}`)"""
    )
    assert too_wide == []


def test_a_phone_never_scrolls_sideways(phone: Desk) -> None:
    cited = [citation(title=WORD, uri=f"https://example.org/{WORD}", source=WORD)]
    phone.chat.models = ["extractive", WORD]
    phone.chat.facets = {"source": {WORD: 3}, WORD: {WORD: 1, "b": 2}}
    times = {"created_at": "", "updated_at": ""}
    phone.chat.conversations = {"x": {"id": "x", "owner": "", "title": WORD, **times, "turns": []}}
    phone.chat.scripts += [Script(events(WIDE, citations=cited, versions={"llm": WORD})), Script(status=500)]
    page = phone.open()
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("Source", exact=True).select_option(WORD)
    phone.ask(WORD)
    expect(page.locator(".sources")).to_be_visible()
    assert_fits(page)
    page.locator(".text button.mark").tap()
    panel = page.get_by_role("complementary")
    expect(panel.locator("mark")).to_be_in_viewport()
    box = panel.bounding_box()
    assert box
    assert box["y"] > 60, "a sheet from below"
    assert_fits(page)
    panel.get_by_role("button", name="Close the source").tap()
    page.get_by_role("button", name="Conversations", exact=True).tap()
    expect(page.get_by_role("navigation").locator(".conversation")).to_be_in_viewport()
    assert_fits(page)
    page.get_by_role("button", name="Close the list of conversations").tap()
    expect(page.get_by_role("navigation")).to_be_hidden()
    phone.ask("Again?")
    expect(page.locator(".failure")).to_be_visible()
    assert_fits(page)


def test_what_can_be_tapped_is_large_enough(phone: Desk) -> None:
    page = phone.open()
    phone.chat.scripts.append(Script(events()))
    phone.ask("So?")
    expect(page.locator(".sources")).to_be_visible()
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, select, summary")]
            .filter((control) => control.checkVisibility({ visibilityProperty: true }))
            .map((control) => [control.outerHTML, control.getBoundingClientRect()])
            .filter(([, box]) => box.width < 24 || box.height < 24)
            .map(([html]) => html)"""
    )
    assert small == []


def test_nothing_moves_for_people_who_asked_for_that(desk: Desk) -> None:
    desk.page.emulate_media(reduced_motion="reduce")
    desk.chat.scripts.append(Script(events()[:-1], hang=True))
    page = desk.open()
    desk.ask("So?")
    expect(page.locator(".text")).to_contain_text("project")
    assert page.evaluate("document.getAnimations().length") == 0

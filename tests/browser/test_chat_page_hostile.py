"""Hostile texts in every place that the chat page shows: none runs, none loads, none becomes an element."""

from collections.abc import Iterator
from html import escape
from typing import Any

import pytest
from chat_answers import citation, document, events, hit
from chat_server import Chat, Script
from playwright.sync_api import Browser, expect
from xss_payloads import PAYLOADS

from .conftest import Desk, desk_of

pytestmark = pytest.mark.browser

WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
for (const name of ["alert", "confirm", "prompt", "open"]) window[name] = () => { window.ran = name; };
"""
# What a text could have become. The page itself has three forms, one script a module, three style sheets.
FOREIGN = """() => {
  const found = [];
  const names = "iframe,object,embed,base,img,video,audio,style,math,marquee,template,frame,image,use,animate";
  for (const element of document.querySelectorAll(names)) found.push(element.outerHTML);
  for (const element of document.querySelectorAll("body script, body link, body meta")) found.push(element.outerHTML);
  for (const element of document.querySelectorAll("*")) {
    for (const { name, value } of element.attributes) {
      const is = (...names) => names.includes(name);
      const own = value.startsWith("page/") || value.startsWith("#");
      if (name.startsWith("on") || is("srcdoc")) found.push(`${name}=${value}`);
      if (is("style") && element.id !== "question") found.push(`${name}=${value}`);
      if (is("href", "src", "action") && !own && !/^https?:\\/\\/[^@]*$/.test(value)) found.push(`${name}=${value}`);
    }
  }
  return found;
}"""


def cited(number: int, payload: str, **changes: Any) -> dict[str, Any]:
    named = {"title": payload, "uri": payload, "source": payload, "document_id": f"p{number}", "chunk_id": f"h{number}"}
    return citation(number, payload, start=0, end=len(payload), **{**named, **changes})


@pytest.fixture
def hostile(chromium: Browser) -> Iterator[Desk]:
    """A server all of whose names are hostile."""
    chat = Chat()
    chat.facets = {"source": dict.fromkeys(PAYLOADS[:50], 1), **{payload: {payload: 1} for payload in PAYLOADS}}
    chat.models = list(PAYLOADS)
    times = {"created_at": "2026", "updated_at": "2026"}
    for number, payload in enumerate(PAYLOADS):
        chat.documents[f"p{number}"] = document(payload, payload, payload + "\n" + payload) | {"source": payload}
        turn = {"question": payload, "answer_id": payload, "answer": payload, "at": payload}
        known = {"id": f"c{number}", "owner": payload, "title": payload, **times, "turns": [turn]}
        chat.conversations[f"c{number}"] = known
    with desk_of(chromium, chat) as desk:
        desk.page.add_init_script(WATCH)
        yield desk
        assert_harmless(desk)


def assert_harmless(desk: Desk) -> None:
    assert desk.page.evaluate("window.ran") is None
    assert desk.page.evaluate("window.violations") == []
    assert desk.page.evaluate(FOREIGN) == []
    assert desk.outside() == []
    assert desk.dialogs == []
    assert desk.violations() == []
    assert desk.page.context.pages == [desk.page], "no window was opened"
    assert desk.page.url.startswith(desk.url + "/")


def test_there_are_enough_payloads_and_they_work_where_nothing_stops_them(chromium: Browser) -> None:
    assert len(set(PAYLOADS)) >= 80
    context = chromium.new_context()
    context.route("**/*", lambda route: route.abort())
    page = context.new_page()
    page.set_content("".join(f'<iframe srcdoc="{escape("<p>" + payload)}"></iframe>' for payload in PAYLOADS))
    page.wait_for_timeout(1500)
    own = [frame for frame in page.frames[1:] if frame.url == "about:srcdoc"]
    running = sum(frame.evaluate("window.ran === 1") for frame in own)
    context.close()
    assert running >= 20, "the marker tells when a script has run"


def test_names_of_conversations_models_and_facets(hostile: Desk) -> None:
    page = hostile.open()
    expect(page.locator(".conversation")).to_have_count(len(PAYLOADS))
    page.get_by_role("button", name="Filters").click()
    expect(page.locator(".facet")).to_have_count(len({"source", *PAYLOADS}))
    page.evaluate(
        """() => { for (const box of document.querySelectorAll(".facet select")) {
            box.value = box.options[1].value; box.dispatchEvent(new Event("change")); } }"""
    )
    assert page.locator(".chip").count() > 80
    hostile.chat.scripts.append(Script(events()))
    hostile.ask("With all filters?")
    expect(page.locator(".sources")).to_be_visible()
    sent = hostile.chat.asked[0]["filter"]
    assert sent["__proto__"] == "__proto__"
    assert {payload for payload in PAYLOADS if sent.get(payload) == payload} == set(PAYLOADS)


def test_past_conversations(hostile: Desk) -> None:
    page = hostile.open()
    expect(page.locator(".conversation")).to_have_count(len(PAYLOADS), timeout=60_000)
    for number in range(0, len(PAYLOADS)):
        page.evaluate("(number) => document.querySelectorAll('.conversation')[number].click()", number)
    expect(page.locator(".turn")).to_have_count(1)
    page.locator(".conversations li").first.hover()
    page.get_by_role("button", name="Delete the conversation").first.click()
    page.get_by_role("button", name="Keep it").click()


def test_answers_titles_quotations_and_addresses(hostile: Desk) -> None:
    text = "\n\n".join(f"{payload} [{number}]" for number, payload in enumerate(PAYLOADS))
    citations = [cited(number, payload, verdict=payload) for number, payload in enumerate(PAYLOADS)]
    hits = [hit(number, chunk_id=f"o{number}", title=p, uri=p, text=p, source=p) for number, p in enumerate(PAYLOADS)]
    meta = {"versions": {"llm": PAYLOADS[0]}, "flags": list(PAYLOADS), "id": PAYLOADS[0]}
    hostile.chat.scripts.append(Script(events(text, piece=97, citations=citations, hits=hits, **meta), split=1000))
    page = hostile.open()
    hostile.ask(PAYLOADS[0])
    expect(page.locator(".sources .source")).to_have_count(len(PAYLOADS), timeout=60_000)
    assert page.locator(".text button.mark").count() > 60, "the others stand in code"
    page.locator(".others summary").click()
    page.get_by_role("button", name="Good answer").click()


# Whether the letters of a place are drawn in the order in which they are stored.
IN_ORDER = """(place) => {
  const walker = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
  const lefts = [];
  while (walker.nextNode()) {
    const text = walker.currentNode;
    for (let at = 0; at < text.length; at += 1) {
      if (!/[a-z]/.test(text.data[at])) continue;
      const range = new Range();
      range.setStart(text, at);
      range.setEnd(text, at + 1);
      lefts.push(range.getBoundingClientRect().left);
    }
  }
  return lefts.length > 5 && lefts.every((left, index) => !index || left > lefts[index - 1]);
}"""


def test_no_text_is_turned_round_by_signs_in_it(desk: Desk) -> None:
    turned = "pay \u202etnuocca\u202c to \u2067me\u2069 now"
    desk.chat.documents["d1"] = document("terms", "file:///terms.md", turned)
    said = citation(1, turned, document_id="d1", start=0, end=len(turned))
    desk.chat.scripts.append(Script(events(f"{turned} [1]\n\n```\n{turned}\n```", citations=[said])))
    page = desk.open()
    desk.ask(turned)
    page.locator(".sources .source").click()
    mark = page.get_by_role("complementary").locator("mark")
    expect(mark).to_have_text(turned)
    for place in (page.locator("h2.question"), page.locator(".text p"), page.locator(".text code"), mark):
        assert place.locator("bdi.sign").count() == 4
        assert place.evaluate(IN_ORDER)
    expect(page.locator(".source-quote").first).to_have_text("pay tnuocca to me now")


def test_documents_in_the_panel(hostile: Desk) -> None:
    citations = [cited(number, payload) for number, payload in enumerate(PAYLOADS)]
    hostile.chat.scripts.append(Script(events("See.", citations=citations)))
    page = hostile.open()
    hostile.ask("So?")
    expect(page.locator(".sources .source")).to_have_count(len(PAYLOADS))
    panel = page.get_by_role("complementary")
    shown = 0
    for number, payload in enumerate(PAYLOADS):
        page.evaluate("(number) => document.querySelectorAll('.sources .source')[number].click()", number)
        panel.locator(".panel-body:not([aria-busy])").wait_for()
        assert panel.locator("mark").evaluate("(mark) => mark.textContent") == payload
        shown += 1
        links = panel.locator("a").evaluate_all("(links) => links.map((link) => link.href)")
        assert all(link.startswith(("https://", "http://")) and "@" not in link for link in links), links
        if number % 20 == 0:
            assert_harmless(hostile)
    assert shown >= 80


def test_messages_of_failures(hostile: Desk) -> None:
    page = hostile.open()
    hostile.chat.scripts.append(Script(status=422, error=" ".join(PAYLOADS)))
    hostile.ask("One?")
    expect(page.locator(".failure")).to_have_count(1)
    broken = {"answer_id": PAYLOADS[0], "reason": PAYLOADS[0], "detail": " ".join(PAYLOADS)}
    hostile.chat.scripts.append(Script([("broken", broken)]))
    hostile.ask("Two?")
    expect(page.locator(".failure")).to_have_count(2)


def test_a_link_in_an_answer_is_one_only_to_a_cited_source(desk: Desk) -> None:
    text = "[the source](https://example.org/faq?a=1) and [another](https://evil.example/?leak=secret)"
    desk.chat.scripts.append(Script(events(text)))
    page = desk.open()
    desk.ask("So?")
    expect(page.locator(".sources")).to_be_visible()
    expect(page.locator(".text a")).to_have_count(1)
    expect(page.locator(".text a")).to_have_text("the source")
    expect(page.locator(".text")).to_contain_text("another (https://evil.example/?leak=secret)")


def test_the_text_of_an_answer_can_not_put_on_the_page_what_looks_like_a_verified_source(desk: Desk) -> None:
    desk.chat.scripts.append(Script(events("Trust me [7] [1] ✓ Verified")))
    page = desk.open()
    desk.ask("So?")
    expect(page.locator(".sources")).to_be_visible()
    expect(page.locator(".text .mark")).to_have_count(1)
    expect(page.locator(".text")).to_contain_text("[7]")
    expect(page.locator(".text .badge")).to_have_count(0)

"""The chat page on the real service."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from assistant_fakes import DOCUMENTS, FakeAssistant, FakeSearcher, FakeState, a_document
from chat_server import PAGE, POLICY, Chat
from playwright.sync_api import Browser, expect
from xss_payloads import PAYLOADS

from llm_engineering.config.serving import Key, Serving
from llm_engineering.serving.app import create_app

from .conftest import Desk, desk_of

pytestmark = pytest.mark.browser


@dataclass
class Real:
    desk: Desk
    assistant: FakeAssistant
    state: FakeState


@pytest.fixture
def settings() -> Serving:
    return Serving()


@pytest.fixture
def real(chromium: Browser, settings: Serving) -> Iterator[Real]:
    hostile = [
        a_document(payload[:100], payload + " whale.", title=payload) for payload in PAYLOADS if "\0" not in payload
    ]
    searcher, state = FakeSearcher((*DOCUMENTS, *hostile)), FakeState()
    assistant = FakeAssistant(searcher, state)
    with desk_of(chromium, Chat(), create_app(assistant, searcher, state, settings)) as desk:
        yield Real(desk, assistant, state)
        assert not desk.violations()
        assert not desk.outside()


def test_a_question_its_citation_a_filter_a_conversation_and_feedback(real: Real) -> None:
    page = real.desk.open()
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("Course").select_option("ml")
    real.desk.ask("Which deadline for homework and the course?")
    expect(page.locator(".sources .source")).to_have_count(2)
    page.get_by_role("button", name=re.compile("^Source .: faq:1")).click()
    panel = page.get_by_role("complementary")
    expect(panel.locator("mark")).to_have_text("You can still join the course after it has begun.")
    expect(panel.locator(".panel-uri")).to_have_text("faq:1")
    expect(panel.get_by_role("link")).to_have_count(0)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Good answer").click()
    expect(page.get_by_label("Comment on the answer")).to_be_visible()
    real.desk.ask("Monday?")
    expect(page.locator(".sources")).to_have_count(2)
    [conversation] = real.state.conversations("local")
    kept = real.state.conversation("local", conversation.id)
    assert kept
    assert [turn.question for turn in kept.turns] == ["Which deadline for homework and the course?", "Monday?"]
    assert [thought.rating for thought in real.state.feedback(kept.turns[0].answer_id)] == ["up"]
    page.reload()
    expect(page.locator(".turn")).to_have_count(2)
    page.get_by_role("button", name="Delete the conversation").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator(".conversation")).to_have_count(0)
    assert real.state.conversations("local") == []


def test_earlier_answers_have_their_sources_after_a_reload(real: Real) -> None:
    page = real.desk.open()
    real.desk.ask("Monday?")
    expect(page.locator(".sources .source")).to_have_count(1)
    page.reload()
    expect(page.locator(".turn")).to_have_count(1)
    page.get_by_role("button", name=re.compile("^Source .: faq:2")).click()
    panel = page.get_by_role("complementary")
    expect(panel.locator("mark")).to_have_text("Homework is handed in by a form.")
    expect(page.get_by_text("not kept here")).to_have_count(0)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Good answer").click()
    expect(page.get_by_label("Comment on the answer")).to_be_visible()
    [conversation] = real.state.conversations("local")
    kept = real.state.conversation("local", conversation.id)
    assert kept
    assert [thought.rating for thought in real.state.feedback(kept.turns[0].answer_id)] == ["up"]


def test_every_module_of_the_page_is_understood_by_a_browser(real: Real) -> None:
    page = real.desk.open()
    modules = sorted(file.name for file in PAGE.glob("*.js") if file.name not in ("app.js", "theme.js"))
    assert len(modules) > 10
    for name in modules:
        exported = page.evaluate("async (url) => Object.keys(await import(url)).length", f"/page/{name}")
        assert exported, name


def test_stop_ends_the_work_in_the_service(real: Real) -> None:
    page = real.desk.open()
    real.assistant.pause = 1.0
    page.get_by_label("Model").select_option("writer")
    real.desk.ask("course deadline docker index search homework form")
    expect(page.locator(".turn .text")).not_to_be_empty()
    page.keyboard.press("Escape")
    expect(page.locator(".stopped")).to_be_visible()
    for _ in range(200):
        if not real.assistant.running:
            break
        page.wait_for_timeout(100)
    assert (real.assistant.running, real.assistant.cancelled) == (0, 1)
    assert real.state.conversations("local") == [], "a question that was never answered leaves no conversation"
    real.assistant.pause = 0.0
    real.desk.ask("deadline?")
    expect(page.locator(".sources")).to_have_count(1)
    assert [one.title for one in real.state.conversations("local")] == ["deadline?"]


def test_a_conversation_that_was_deleted_elsewhere_is_begun_anew(real: Real) -> None:
    page = real.desk.open()
    real.desk.ask("deadline?")
    expect(page.locator(".sources")).to_have_count(1)
    [conversation] = real.state.conversations("local")
    real.state.delete_conversation("local", conversation.id)
    real.desk.ask("homework?")
    expect(page.locator(".failure")).to_contain_text("There is no such conversation.")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".sources")).to_have_count(2)


def test_hostile_documents_come_through_the_service_as_text(real: Real) -> None:
    page = real.desk.open()
    real.desk.page.evaluate("window.ran = null")
    for payload in PAYLOADS[::12]:
        real.desk.ask(f"{payload} whale")
        expect(page.get_by_role("button", name="Stop the answer")).to_be_hidden()
    for mark in page.locator(".turn:last-child .text button.mark").all():
        mark.click()
        expect(page.get_by_role("complementary").locator("mark")).to_be_attached()
    assert page.evaluate("window.ran") is None
    assert page.locator("main img, main iframe, main script, aside img, aside iframe, aside script").count() == 0


def test_every_file_of_the_page_has_its_type_and_the_policy(real: Real) -> None:
    with httpx.Client(base_url=real.desk.url, trust_env=False) as client:
        for path in ("/", *(f"/page/{file.name}" for file in PAGE.iterdir())):
            response = client.get(path)
            assert response.status_code == 200, path
            assert response.headers["content-security-policy"] == POLICY
            assert response.headers["x-content-type-options"] == "nosniff"
        for path in ("/page/../app.py", "/page/%2e%2e/app.py", "/page/..%2fapp.py", "/page/"):
            assert client.get(path).status_code == 404, path


def test_the_page_has_no_script_or_style_in_its_markup_and_never_writes_markup() -> None:
    html = (PAGE / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=\"page/)[^>]*>|https?:", html)
    for file in PAGE.glob("*.js"):
        code = file.read_text()
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|srcdoc", code
        ), file
    for file in PAGE.glob("*.css"):
        assert not re.search(r"url\(|@import", file.read_text()), file


class TestWithKeys:
    @pytest.fixture
    def settings(self) -> Serving:
        digest = hashlib.sha256(b"a-key-that-is-long-enough-for-this-test").hexdigest()
        return Serving(keys=(Key(name="alice", sha256=digest),))

    def test_the_key_opens_the_service(self, real: Real) -> None:
        page = real.desk.open()
        field = page.get_by_label("Key", exact=True)
        field.fill("a-key-that-nobody-has-in-this-place-here")
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog").get_by_role("alert")).to_have_text("This key was not accepted.")
        field.fill("a-key-that-is-long-enough-for-this-test")
        page.keyboard.press("Enter")
        expect(page.get_by_text("passages from 2 sources")).to_be_visible()
        real.desk.ask("deadline?")
        expect(page.locator(".sources")).to_be_visible()

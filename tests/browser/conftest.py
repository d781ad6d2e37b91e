"""A real Chromium for tests of the chat page."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from chat_answers import document
from chat_server import Chat, Running, app_of
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright
from starlette.types import ASGIApp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# No sandbox for root in a container; the rest keeps Chromium from calling home.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Desk:
    """A server, the page that shows it, and what the browser did besides."""

    chat: Chat
    page: Page
    url: str
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def open(self, path: str = "/") -> Page:
        self.page.goto(self.url + path)
        return self.page

    def ask(self, question: str) -> None:
        self.page.get_by_label("Your question").fill(question)
        self.page.keyboard.press("Enter")

    def outside(self) -> list[str]:
        """Return what was requested from elsewhere than the server."""
        return [url for url in self.requests if not url.startswith((self.url + "/", "data:"))]

    def violations(self) -> list[str]:
        """Return scripts' errors and what the policy refused; refused HTTP requests are the tests' own doing."""
        return [error for error in self.errors if "Failed to load resource" not in error]


@contextmanager
def desk_of(chromium: Browser, chat: Chat, app: ASGIApp | None = None, **options: object) -> Iterator[Desk]:
    """Open a fresh profile on a server of its own."""
    server = Running(app or app_of(chat))
    context = chromium.new_context(**{"viewport": {"width": 1280, "height": 860}, **options})  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(30_000)
    desk = Desk(chat, page, server.url)

    def requested(request: Request) -> None:
        desk.requests.append(request.url)

    context.on("request", requested)
    page.on("pageerror", lambda error: desk.errors.append(str(error)))
    page.on("console", lambda message: desk.errors.append(message.text) if message.type == "error" else None)
    page.on("dialog", lambda dialog: (desk.dialogs.append(dialog.message), dialog.dismiss()))
    try:
        yield desk
    finally:
        context.close()
        server.close()


@pytest.fixture
def desk(chromium: Browser) -> Iterator[Desk]:
    """A browser window on a server that knows one document."""
    with desk_of(chromium, Chat(documents={"d1": document()})) as desk:
        yield desk
        assert not desk.violations()
        assert not desk.outside()
        assert not desk.dialogs

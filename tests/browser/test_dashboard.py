"""ZenML's dashboard as a user sees it, in a real browser."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_lines import config_file, tool
from playwright.sync_api import Page, expect, sync_playwright

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# No sandbox for root in a container; the rest keeps Chromium from calling home.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the feature pipeline and start the dashboard on its home."""
    base = tmp_path_factory.mktemp("dashboard")
    (base / "documents").mkdir()
    (base / "documents" / "a.md").write_text("# Alpha\n\nThe first document talks about whales.\n")
    home = base / "home"
    config = config_file(base, f"{{kind: files, name: docs, root: {base}/documents}}")
    ran = tool(home, "run", "feature", "--config", str(config), "--json")
    assert ran.code == 0, ran.err
    started = tool(home, "dashboard")
    assert started.code == 0, started.err
    address = re.search(r"http://127\.0\.0\.1:\d+", started.out)
    assert address
    assert tool(home, "dashboard").out == started.out, "a second start finds the first"
    yield address.group()
    assert "stopped" in tool(home, "dashboard", "--stop").out


@pytest.fixture
def page() -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1500, "height": 950})
        page.set_default_timeout(30_000)
        yield page
        browser.close()


def test_a_run_is_there_without_a_form_with_its_dag_and_an_artifact_with_its_picture(address: str, page: Page) -> None:
    page.goto(f"{address}/projects/default/pipelines")
    expect(page.get_by_text("feature", exact=True).first).to_be_visible(timeout=30_000)
    page.goto(f"{address}/projects/default/runs")
    page.locator("a[href*='/runs/']").first.click()
    for step in ("ingest", "plan", "clean", "chunk", "tokenize", "embed", "load", "verify", "activate", "report"):
        expect(page.get_by_text(step, exact=True).first).to_be_visible(timeout=30_000)
    page.get_by_text("chunks", exact=True).first.click()
    page.get_by_role("tab", name="Visualization").last.click()
    page.get_by_role("button", name="Load Preview").click()
    expect(page.frame_locator("iframe").last.locator("svg.histogram")).to_be_visible(timeout=30_000)
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / "dashboard-chunks.png")

"""The page of a feature run in a real browser: nothing runs, nothing is loaded, nothing sticks out."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from llm_engineering.application.corpus import render
from llm_engineering.application.corpus.describing import length_bins
from llm_engineering.domain.corpus import Corpus, CorpusMap, CorpusReport, SourcePoints, StepRate
from llm_engineering.domain.incidents import Incident
from llm_engineering.domain.reports import Report, SourceReport

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HOSTILE = ("<script>document.title='ran'</script>", '"><img src=https://example.org/x onerror=alert(1)>', "y" * 400)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_fits_the_window_and_does_nothing_but_show(
    chromium: Browser, tmp_path: Path, width: int, scheme: str
) -> None:
    sources = tuple(
        SourceReport(source=f"{name}{n}", kind="web", found=3, new=3) for n in range(70) for name in HOSTILE
    )
    incidents = tuple(Incident(uri=name, source=name, reason="empty", detail=name) for name in HOSTILE)
    report = Report(pipeline="feature", run=1, found=630, new=630, sources=sources, failures=incidents)
    corpus = CorpusReport(chunks=3, sampled=3, window=256, longest=200, lengths=length_bins([9, 90, 200], 256))
    drawn = CorpusMap(sources=tuple(SourcePoints(source=name, points=(n * 400, 9)) for n, name in enumerate(HOSTILE)))
    page_file = tmp_path / "page.html"
    page_file.write_text(
        render(report, Corpus(report=corpus, map=drawn), [StepRate(step="embed", seconds=2, chunks=3)])
    )
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.on("dialog", lambda dialog: told.append(dialog.message))
    context.on("request", lambda request: told.extend([request.url][request.url.startswith("file:") :]))
    try:
        page.goto(page_file.as_uri())
        assert page.title() == "Run 1 of pipeline feature"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        bars = page.locator("svg.track rect.new")
        assert bars.first.bounding_box() is not None
        assert page.locator(".map path").count() == 3
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
        assert dark is (scheme == "dark")
        assert told == []
    finally:
        context.close()


def test_on_a_phone_the_throughput_is_seen_without_scrolling_sideways(chromium: Browser, tmp_path: Path) -> None:
    rates = [
        StepRate(step=step, seconds=123.45, documents=12_345_678, chunks=98_765_432, tokens=987_654_321)
        for step in ("ingest", "clean", "tokenize")
    ]
    page_file = tmp_path / "page.html"
    corpus = Corpus()
    page_file.write_text(render(Report(pipeline="feature", run=1), corpus, rates))
    page = chromium.new_page(viewport={"width": 375, "height": 900})
    try:
        page.goto(page_file.as_uri())
        table = page.locator(".wide", has_text="tokens/s")
        shown, needed = table.evaluate("each => [each.clientWidth, each.scrollWidth]")
        assert needed <= shown
    finally:
        page.close()

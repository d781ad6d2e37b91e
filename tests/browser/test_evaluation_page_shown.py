"""The report of an evaluation in a real browser: names of slices and verdicts are words, not columns of letters."""

from dataclasses import replace
from pathlib import Path

import pytest
from evaluated import evaluated
from playwright.sync_api import Browser

from llm_engineering.application.evaluation import compare, measure
from llm_engineering.application.evaluation.page import render
from llm_engineering.application.evaluation.settings import EvaluationSettings
from llm_engineering.domain.evaluation_results import EvaluationResult

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SETTINGS = EvaluationSettings(resamples=100)
SLICES = ("source=faq", "filter:course=machine-learning-zoomcamp")


@pytest.mark.parametrize("width", [1200, 390])
def test_all_metrics_of_the_defaults_fit_and_cells_are_a_few_lines_high(
    chromium: Browser, tmp_path: Path, width: int
) -> None:
    sides = []
    for name, ranks in (("before", [1, 0] * 10), ("after", [1] * 20)):
        one, outcomes = evaluated(ranks, name)
        outcomes = [replace(outcome, slices=SLICES) for outcome in outcomes]
        figures = {"slices": measure(outcomes, SETTINGS), "name": "n" * 400}
        sides.append((one.model_copy(update=figures), outcomes))
    before, after = sides
    compared = compare(before, after, SETTINGS)
    result = EvaluationResult(
        evaluation=after[0], before=before[0], comparison=compared, curve=(), near=5, misses=0, missed=()
    )
    (tmp_path / "page.html").write_text(render(result))
    context = chromium.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    try:
        page.goto((tmp_path / "page.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        highest = page.evaluate("Math.max(...[...document.querySelectorAll('td')].map(cell => cell.offsetHeight))")
        assert highest <= 10 * 24, "ten lines"
        if width > 1000:
            wide = "[...document.querySelectorAll('.wide')].filter(box => box.scrollWidth > box.clientWidth).length"
            assert page.evaluate(wide) == 0
    finally:
        context.close()

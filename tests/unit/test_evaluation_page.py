"""The report of an evaluation: hostile texts stay text, and nothing is loaded from anywhere."""

import re
from html.parser import HTMLParser

import pytest
from evaluated import evaluated
from xss_payloads import PAYLOADS

from llm_engineering.application.evaluation import compare, measure
from llm_engineering.application.evaluation.misses import hit_curve, missed_by
from llm_engineering.application.evaluation.page import render
from llm_engineering.application.evaluation.settings import EvaluationSettings
from llm_engineering.application.llm_evaluation.page import render as render_answers
from llm_engineering.domain.evaluation_results import EvaluationResult, Missed
from llm_engineering.domain.llm_evaluation import LlmEvaluationResult, ShownAnswer

SETTINGS = EvaluationSettings(resamples=200)
KNOWN = {
    "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "br", "span", "svg", "text", "rect", "line",
    "polyline", "div", "table", "tr", "th", "td", "strong", "ol", "li", "wbr",
}  # fmt: skip


TURNED = "invoice\u202efdp.exe \u2066x\u2069 می\u200cخواهم"


class Elements(HTMLParser):
    """Collects the elements and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.texts = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.texts += data


def result_of(text: str) -> EvaluationResult:
    before, after = evaluated([1, 0] * 40, "before"), evaluated([1] * 80, "after")
    named = {"name": text, "questions_from": text, "slices": measure(after[1], SETTINGS)}
    return EvaluationResult(
        evaluation=after[0].model_copy(update=named),
        before=before[0].model_copy(update=named),
        comparison=compare(before, after, SETTINGS),
        curve=hit_curve(after[1], 10),
        before_curve=hit_curve(before[1], 10),
        near=5,
        misses=1,
        missed=(Missed(question=text, rank=0, expected=(text,), found=(text,), filter={text: text}),),
    )


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_texts_stay_text(payload: str) -> None:
    page = Elements(render(result_of(payload)))
    assert page.elements <= KNOWN
    assert not {name for name in page.attributes if name.startswith("on") or name in ("src", "href", "style")}
    assert " ".join(payload.split()) in " ".join(page.texts.split())


def answers_of(text: str) -> LlmEvaluationResult:
    return LlmEvaluationResult(
        id="x", name=text, dataset=text, dataset_digest="", rows=1, of=1, rows_digest="", confidence=0.95, models=(),
        notes=(text,), shown=(ShownAnswer(instruction=text, reference=text, answers={text: text}),),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["searches", "answers"])
def test_no_text_is_disguised_by_signs_that_turn_its_direction(kind: str) -> None:
    page = render(result_of(TURNED)) if kind == "searches" else render_answers(answers_of(TURNED))
    alone = re.compile('<span class="sign">[\u202a-\u202e\u2066-\u2069]</span>')
    assert len(alone.findall(page)) >= 6
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", alone.sub("", page))
    assert ".sign { unicode-bidi: isolate; }" in page
    assert "می\u200cخواهم" in page


def test_the_policy_allows_the_pages_own_style_and_nothing_else() -> None:
    page = render(result_of("plain"))
    assert "default-src &#39;none&#39;; style-src &#39;sha256-" in page
    assert "unsafe-inline" not in page


def test_the_report_says_verdicts_in_words() -> None:
    page = Elements(render(result_of("plain")))
    assert "better" in page.texts
    assert "after correction" in page.texts


def test_misses_are_those_not_found_first_then_those_far_down() -> None:
    _, outcomes = evaluated([1, 8, 0, 5, 6])
    assert [(rank, one.id) for rank, one in missed_by(outcomes, 5)] == [(0, "2"), (8, "1"), (6, "4")]

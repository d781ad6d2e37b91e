"""The page of a feature run: its numbers are the report's, it loads nothing, and takes every text for text."""

import re
from array import array
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from llm_engineering.application.corpus import PARTS, render, render_lengths
from llm_engineering.application.corpus.describing import languages_of, length_bins
from llm_engineering.application.corpus.map import COLOURS, draw_map
from llm_engineering.application.corpus.page import OUTCOMES, SHOWN_SOURCES
from llm_engineering.domain.corpus import (
    BoilerplateReport,
    Corpus,
    CorpusReport,
    Count,
    DuplicatesReport,
    NearDuplicate,
    RepeatedLine,
    StepRate,
)
from llm_engineering.domain.incidents import Incident
from llm_engineering.domain.reports import Report, SourceReport

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></svg><b>",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe\x00\x1b[31m",
    "javascript:alert(1)",
    "x" * 5_000,
    "\ud800",
]


class Seen(HTMLParser):
    """Collects the elements, attributes and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def accounts(names: list[str]) -> tuple[SourceReport, ...]:
    return tuple(
        SourceReport(source=name, kind="files", found=2 * n + 6, new=n, unchanged=n, changed=1, deleted=2, failed=3)
        for n, name in enumerate(names)
    )


def report_of(names: list[str]) -> Report:
    sources = accounts(names)
    sums = {name: sum(getattr(one, name) for one in sources) for name in ("found", *OUTCOMES)}
    incidents = tuple(Incident(uri=name, source=name, reason="empty", detail=name) for name in names)
    return Report(pipeline="feature", run=3, sources=sources, rejections=incidents, failures=incidents[:5], **sums)


def corpus_of(names: list[str]) -> Corpus:
    duplicates = tuple(NearDuplicate(uri=n, source=n, kept_uri=n, kept_source=n, similarity=0.95) for n in names)
    lines = [RepeatedLine(source=name, uri=name, text=name, documents=4, characters=9) for name in names]
    report = CorpusReport(
        collection="c",
        version="v1",
        documents=9,
        chunks=len(names),
        sampled=len(names),
        window=256,
        longest=200,
        lengths=length_bins([100] * len(names), 256),
        languages=tuple(Count(name=name, count=1) for name in names),
        duplicates=DuplicatesReport(action="report", documents=400, duplicates=len(names), examples=duplicates),
        boilerplate=tuple(
            BoilerplateReport(source=one.source, characters=10, repeated=1, lines=(one,)) for one in lines
        ),
    )
    return Corpus(report=report, map=draw_map([(name, array("f", [n, n % 7, 1])) for n, name in enumerate(names)]))


def test_a_page_of_nothing_says_so() -> None:
    page = render(Report(pipeline="feature", run=1), Corpus())
    seen = " ".join(Seen(page).texts)
    assert "This run read no source" in seen
    assert "Nothing was made in this run" in seen
    assert seen.count("The index has no chunks") == 2


def test_a_page_of_one_document_compares_and_maps_nothing() -> None:
    corpus = corpus_of(["one"])
    alone = corpus.report.model_copy(update={"duplicates": DuplicatesReport(action="report", documents=1)})
    page = render(report_of(["one"]), Corpus(report=alone, map=corpus.map))
    assert "There are no two documents to compare." in page
    assert "There are too few chunks for a map." in page
    assert "<path" not in page


def test_what_to_do_about_a_failure_is_told_to_its_end() -> None:
    detail = "no file under /documents matches " + "*.md, " * 60 + "run once with --allow-mass-delete"
    failed = Incident(uri="docs", source="docs", reason="empty_source", detail=detail)
    page = render(report_of(["docs"]).model_copy(update={"failures": (failed,)}), Corpus())
    assert detail in page


@pytest.mark.parametrize("count", [1, SHOWN_SOURCES, 200])
def test_the_drawn_numbers_add_up_to_those_of_the_report(count: int) -> None:
    report = report_of([f"source {n}" for n in range(count)])
    page = render(report, Corpus(), parts=["sources"])
    for outcome in OUTCOMES:
        drawn = [int(number) for number in re.findall(rf"<title>{outcome}: (\d+)</title>", page)]
        assert sum(drawn) == getattr(report, outcome)
    assert f"new {report.new:,}" in page
    assert page.count("<title>") <= (SHOWN_SOURCES + 1) * len(OUTCOMES) + 1
    assert all(f"source {n}<" in page for n in range(count)), "each source is in the table"


def test_names_from_anywhere_are_text_and_nothing_is_loaded_or_run() -> None:
    for names in (HOSTILE, [*HOSTILE, *(f"{name} {n}" for name in HOSTILE for n in range(25))]):
        rates = [StepRate(step=name, seconds=1, chunks=2) for name in HOSTILE]
        page = render(report_of(names), corpus_of(names), rates)
        seen = Seen(page.encode("utf-8", "replace").decode())
        allowed = "html head meta title style body h1 h2 p ul li strong span section svg rect line circle path div bdi"
        allowed += " details summary table tr th td code br wbr"
        assert set(seen.tags) <= set(allowed.split())
        assert not [name for name, _ in seen.attributes if name.startswith("on") or name in ("href", "src", "style")]
        assert HOSTILE[0] in seen.texts
        assert not [text for text in seen.texts if len(text) > 601 and "{" not in text[:20] and ":root" not in text]
        assert "\u202e" not in page
        assert "\x1b" not in page
        assert "49" not in re.findall(r"<bdi>(.*?)</bdi>", page)


def test_each_part_stands_alone() -> None:
    names = ["a", "b", "c"]
    for part in PARTS:
        page = render(report_of(names), corpus_of(names), [StepRate(step="embed", seconds=1, chunks=7)], [part])
        assert page.count("<section") == 1
        assert "<h1>" not in page


def test_bins_hold_every_chunk_up_to_the_window() -> None:
    for lengths, window in (([1], 256), ([5, 5, 256], 256), ([300], 256), ([7, 9], 8_192), (list(range(1, 98)), 97)):
        bins = length_bins(lengths, window)
        assert sum(one.chunks for one in bins) == len(lengths)
        assert bins[0].low == 1
        assert all(left.high + 1 == right.low for left, right in pairwise(bins))
        assert bins[-1].high >= max(lengths)
        for one in bins:
            assert one.chunks == sum(one.low <= length <= one.high for length in lengths)
    assert length_bins([], 256) == ()
    assert length_bins([100, 200], 256)[-1].high == 256


def test_languages_are_what_metadata_say() -> None:
    payloads: list[dict[str, object]] = [
        {"metadata": {"language": "EN "}},
        {"metadata": {"lang": "en"}},
        {"metadata": {}},
        {},
    ]
    assert [(one.name, one.count) for one in languages_of(payloads)] == [("en", 2), ("unknown", 2)]
    assert languages_of([{"metadata": {}}]) == ()


def test_the_map_has_every_point_once_inside_its_square_and_the_same_again() -> None:
    points = [(f"s{n % 30}", array("f", [n % 11, n % 7, n % 3, 0.5])) for n in range(400)]
    drawn = draw_map(points)
    assert drawn == draw_map(points)
    assert len(drawn.sources) == COLOURS + 1
    assert sum(len(one.points) for one in drawn.sources) == 800
    assert all(0 <= place <= 1000 for one in drawn.sources for place in one.points)
    assert drawn.sources[-1].source == "21 other sources"
    assert 0 < sum(drawn.explained) <= 1.0001


@pytest.mark.parametrize("vectors", [[[1.0]], [[1.0, 2.0]] * 5, [[float("nan"), 1.0], [1.0, 2.0]]])
def test_a_map_of_little_or_of_no_numbers_is_drawn(vectors: list[list[float]]) -> None:
    drawn = draw_map([("s", array("f", vector)) for vector in vectors])
    assert len(drawn.sources[0].points) == 2 * len(vectors)


def test_the_lengths_of_some_chunks_are_a_page_that_speaks_of_no_window() -> None:
    page = render_lengths([3, 40, 40, 250])
    seen = Seen(page)
    assert "The longest chunk has 250 tokens." in " ".join(" ".join(seen.texts).split())
    assert "window" not in "".join(text for text in seen.texts if "{" not in text)  # but for the style
    bars = [value for name, value in seen.attributes if name == "class" and value in ("bar", "over")]
    assert set(bars) == {"bar"}
    assert sum(int(count) for count in re.findall(r"tokens: (\d+) chunks", page)) == 4
    assert "The index has no chunks." in render_lengths([])

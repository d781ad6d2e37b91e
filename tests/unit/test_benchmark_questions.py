"""The questions of the benchmarks: complete, distinct, and about pages that are there and say what is asked."""

import csv
import html
import re
from pathlib import Path

import pytest

from benchmarks.halves import reported
from benchmarks.manuals.__main__ import DOCS, QUESTIONS, questions
from benchmarks.no_answer.questions import off_topic


def rows() -> list[dict[str, str]]:
    with QUESTIONS.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, strict=True))


def test_there_are_enough_questions_and_none_twice() -> None:
    asked = [question.casefold().strip(" ?") for question, _ in questions()]
    assert len(asked) >= 150
    assert len(set(asked)) == len(asked)


def test_each_question_names_pages_once_and_evidence() -> None:
    for row in rows():
        pages = row["document"].split(";")
        assert len(set(pages)) == len(pages)
        assert all(re.fullmatch(r"[a-z0-9-]+\.html", page) for page in pages), row
        assert row["evidence"].strip()
        assert row["question"].strip() == row["question"]


def test_the_questions_are_spread_over_the_manual_and_both_halves() -> None:
    first = [pages[0] for _, pages in questions()]
    assert len(set(first)) >= 120
    assert 0.4 < sum(map(reported, first)) / len(first) < 0.6


@pytest.mark.skipif(not DOCS.is_dir(), reason=f"postgresql-doc-15 is not in {DOCS}")
def test_the_pages_are_there_and_the_first_one_says_what_is_asked() -> None:
    for row in rows():
        pages = row["document"].split(";")
        assert all((DOCS / page).is_file() for page in pages), row
        assert row["evidence"].casefold() in visible(DOCS / pages[0]), row


def visible(page: Path) -> str:
    text = html.unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8", errors="replace")))
    return re.sub(r"\s+", " ", text).casefold()


def test_questions_without_an_answer_are_many_and_the_same_every_time() -> None:
    asked = list(off_topic())
    assert len(asked) >= 200
    assert len({question for _, question in asked}) >= 200
    assert asked == list(off_topic())
    assert {kind for kind, _ in asked} >= {"off-topic", "keyboard noise", "invented words", "random words"}

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_engineering.application.answering.exits import Outlet, addresses, sanitised, tidied

HOME = "https://ok.test/a"
NUMBERS = {1, 2, 3}
TEXTS = [
    "See ![x](http://evil.test/?q=1) [the page](http://evil.test) [1, 9].",
    "a [![b](http://evil.test/p)](http://evil.test/c) c [2].",
    "text [1]\n\n```py\nx = rows[0](y) # [7]\n```\nok [3] `b[9]` www.evil.test/x and //evil.test/p.png",
    "[a]: http://evil.test\nsee [foo][a] and [1][2]",
    "<img src='//evil.test/x' onerror=1> <script>alert(1)</script> x < y and <b>bold</b>",
    "![a\nb](http://evil.test/x y) z",
    "![a](<http://evil.test/x(1)>) z [c](javascript:alert(1)) [d](data:text/html,x)",
    "【1†source】 [^2] [Source 3] [doc: abc] [https://evil.test/x]",
    f"go to {HOME}, or [ok]({HOME}).",
    "\\![x](http://evil.test) ![y] (http://evil.test) !\n[z](//evil.test)",
    "![" + "a" * 3_000 + "](http://evil.test/b)",
    "[x](\nhttp://evil.test\n) HTTP://EVIL.TEST/A hxxp ftp://evil.test mailto:a@evil.test",
    "[a](http://evil.test 'title') [b](  http://evil.test  ) ![c](http://evil.test \"t\")",
]


def leads_out(text: str) -> bool:
    left = text.replace(HOME, "")
    return "evil.test" in left.lower() or bool(
        re.search(r"!\[|\]\((?!https://ok\.test/a\))|<img|<script|javascript:", text)
    )


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 100, 10_000])
def test_nothing_leads_out_however_the_text_comes(text: str, size: int) -> None:
    outlet = Outlet(NUMBERS, {HOME})
    streamed = "".join([*(outlet.feed(text[at : at + size]) for at in range(0, len(text), size)), outlet.finish()])
    assert not leads_out(streamed), streamed
    assert not leads_out(sanitised(text, NUMBERS, {HOME}))
    if len(text) < 2_000:
        assert streamed == sanitised(text, NUMBERS, {HOME})


PARTS = st.sampled_from(
    ["![", "[", "]", "](", ")", "(", "http://evil.test/x", "//evil.test", "word ", "\n", "`", "```\n", "<img ", ">", "1", "!", " ", "[1]", "<", "\\", "www.evil.test"]  # noqa: E501
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(PARTS, max_size=25))
def test_no_mixture_of_brackets_and_addresses_leads_out(parts: list[str]) -> None:
    outlet = Outlet(NUMBERS)
    streamed = "".join([*(outlet.feed(part) for part in parts), outlet.finish()])
    for shown in (streamed, sanitised("".join(parts), NUMBERS)):
        assert "evil.test" not in shown
        assert not re.search(r"!\[|\]\(|<img", shown)


def test_citations_are_brought_into_one_form() -> None:
    assert sanitised("【2†x】 [1, 3] [2-3] [Source 1] [^2] [9]", NUMBERS).split() == [
        "[2]",
        "[1][3]",
        "[2][3]",
        "[1]",
        "[2]",
    ]


@pytest.mark.parametrize(
    "cited",
    ["[Passage 1, Passage 3]", "[1 and 3]", "[1 und 3]", "[1、3]", "［1］［3］", "[1, 3, p. 7]", "[#1; #3]", "[1][3]"],
)
def test_several_passages_are_named_in_many_ways(cited: str) -> None:
    assert sanitised(f"So {cited}.", NUMBERS) == "So [1][3]."


@pytest.mark.parametrize("size", [1, 4, 100])
def test_a_citation_that_is_a_link_is_a_citation(size: int) -> None:
    text = f"a [1]({HOME}), b [[2]]({HOME}), c [^3](#fn3), d [9]({HOME}), e [[1]](http://evil.test), [it]({HOME})."
    outlet = Outlet(NUMBERS, {HOME})
    streamed = "".join([*(outlet.feed(text[at : at + size]) for at in range(0, len(text), size)), outlet.finish()])
    assert streamed == sanitised(text, NUMBERS, {HOME}) == f"a [1], b [2], c [3], d , e [1], [it]({HOME})."


def test_long_runs_of_signs_take_little_time() -> None:
    began = time.perf_counter()
    for run in ("[" + " " * 50_000, "[1," + " " * 50_000, "[passage" + " " * 50_000, "x" + " " * 50_000 + "y"):
        tidied(sanitised(run, NUMBERS))
    assert time.perf_counter() - began < 2


def test_code_keeps_its_brackets() -> None:
    assert sanitised("Use `row[7]` here [1].", NUMBERS) == "Use `row[7]` here [1]."


def test_addresses_of_passages_can_be_read_but_lead_nowhere() -> None:
    text = "Go to https://x.test/a(b), please."
    assert sanitised(text, (), (), addresses(text)) == "Go to `https://x.test/a(b)`, please."
    assert tidied("a  .\nb ") == "a.\nb"

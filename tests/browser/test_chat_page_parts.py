"""The page's own Markdown and its reader of event streams, by themselves."""

import json
import random
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from chat_server import Chat
from playwright.sync_api import Browser, Page

from .conftest import desk_of

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(chromium: Browser) -> Iterator[Page]:
    with desk_of(chromium, Chat()) as desk:
        yield desk.open()


def html(page: Page, markdown: str) -> str:
    return str(
        page.evaluate(
            """async (text) => {
                const { Renderer, show } = await import("/page/markdown.js");
                const place = document.createElement("div");
                const linked = new Set(["https://example.org/"]);
                const marks = (number) => number === 1 ? document.createElement("button") : null;
                show(place, text, new Renderer({ marks, linked }));
                for (const element of place.querySelectorAll("*")) {
                    for (const { name } of [...element.attributes]) {
                        if (!["class", "href", "start"].includes(name)) element.removeAttribute(name);
                    }
                }
                return place.getHTML();
            }""",
            markdown,
        )
    )


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("one\ntwo\n\nthree", "<p>one\ntwo</p><p>three</p>"),
        ("a  \nb", "<p>a<br>b</p>"),
        ("**b** *i* ***both***", "<p><strong>b</strong> <em>i</em> <strong><em>both</em></strong></p>"),
        ("`c < d`", "<p><code>c &lt; d</code></p>"),
        ("*a **b** c*", "<p><em>a <strong>b</strong> c</em></p>"),
        ("2 * 3 * 4 and snake_case_name and **open", "<p>2 * 3 * 4 and snake_case_name and **open</p>"),
        ("_i_ __b__ \\*no\\*", "<p><em>i</em> <strong>b</strong> *no*</p>"),
        ("## Title ##", '<p class="heading heading-2">Title</p>'),
        ("#no title", "<p>#no title</p>"),
        ("- a\n- b\n  - c\n- d", "<ul><li>a</li><li>b<ul><li>c</li></ul></li><li>d</li></ul>"),
        ("3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'),
        ("- a\n\n- b\n\nafter", "<ul><li>a</li><li>b</li></ul><p>after</p>"),
        ("text\n- a", "<p>text</p><ul><li>a</li></ul>"),
        ("```py\nx = '*a*'\n\n# no title\n```\nafter", "<pre><code>x = '*a*'\n\n# no title</code></pre><p>after</p>"),
        ("```\nstill being written", "<pre><code>still being written</code></pre>"),
        ("> a\n> - b", "<blockquote><p>a</p><ul><li>b</li></ul></blockquote>"),
        ("---", "<hr>"),
        (
            "| a | b |\n|---|:-:|\n| `x` | y \\| z |",
            "<div class=\"table\"><table><thead><tr><th>a</th><th>b</th></tr></thead>"
            "<tbody><tr><td><code>x</code></td><td>y | z</td></tr></tbody></table></div>",
        ),
        ("a [1] b [2]", "<p>a <button></button> b [2]</p>"),
        ("**so [1]**", "<p><strong>so <button></button></strong></p>"),
        ("[x](https://example.org/)", '<p><a href="https://example.org/">x</a></p>'),
        ("[x](https://other.org/)", '<p><span class="unlinked">x (https://other.org/)</span></p>'),
        ("![x](https://example.org/a.png)", '<p><span class="unlinked">x (https://example.org/a.png)</span></p>'),
        ("<b>&amp;</b>", "<p>&lt;b&gt;&amp;amp;&lt;/b&gt;</p>"),
    ],
)  # fmt: skip
def test_markdown(page: Page, markdown: str, expected: str) -> None:
    assert html(page, markdown) == expected


SLOW = [
    "*a ",
    "**a",
    "_a_",
    "[",
    "[a](",
    "![",
    "`",
    "`a``",
    "> ",
    "- ",
    "#",
    "|",
    "|-",
    "~~~",
    "\\",
    "* * ",
    "1. ",
    " ",
]
SLOW += [" ", "a\n- ", "  - x\n", "***", "](", "[1]", "\n\n> - "]


def test_no_text_takes_long(page: Page) -> None:
    started = time.monotonic()
    for part in SLOW:
        for text in (
            part * (60_000 // len(part)),
            "# " + part * 10_000 + "x",
            "|" + part * 10_000 + "\n|-" + part * 5_000,
        ):
            html(page, text)
    assert time.monotonic() - started < 120, f"{len(SLOW) * 3} texts of up to 60,000 characters"


def test_a_text_that_grows_keeps_the_elements_that_are_complete(page: Page) -> None:
    same = page.evaluate(
        """async () => {
            const { Renderer, show } = await import("/page/markdown.js");
            const place = document.createElement("div");
            const renderer = new Renderer();
            show(place, "first\\n\\nsec", renderer);
            const [first, second] = place.children;
            show(place, "first\\n\\nsecond\\n\\nthird", renderer);
            return [first === place.children[0], second === place.children[1], place.textContent];
        }"""
    )
    assert same == [True, False, "firstsecondthird"]


def parsed(page: Page, chunks: list[str]) -> list[dict[str, str]]:
    script = """async (chunks) => {
        const { EventParser } = await import("/page/sse.js");
        const parser = new EventParser();
        return chunks.flatMap((chunk) => parser.push(chunk));
    }"""
    found: list[dict[str, str]] = page.evaluate(script, chunks)
    return found


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_events_are_the_same_wherever_the_stream_is_cut(page: Page, end: str) -> None:
    lines = [": a comment", "event: piece", "data: one", "", "data:two", "data: three", "id: 7", "retry: 10", "", ""]
    lines += [
        "event: empty",
        "",
        "event",
        "data",
        "",
        "event: finished",
        f"data: {json.dumps({'text': 'a: b'})}",
        "",
        "",
    ]
    text = end.join(lines)
    expected = [
        {"event": "piece", "data": "one"},
        {"event": "message", "data": "two\nthree"},
        {"event": "message", "data": ""},
        {"event": "finished", "data": '{"text": "a: b"}'},
    ]
    rng = random.Random(7)
    for size in (1, 2, 3, len(text)):
        assert parsed(page, [text[at : at + size] for at in range(0, len(text), size)]) == expected
    for _ in range(50):
        cuts = [0, *sorted(rng.sample(range(len(text)), 6)), len(text)]
        assert parsed(page, [text[a:b] for a, b in pairwise(cuts)]) == expected


def test_an_event_without_its_end_is_none(page: Page) -> None:
    assert parsed(page, ["event: finished\ndata: {}\n"]) == []

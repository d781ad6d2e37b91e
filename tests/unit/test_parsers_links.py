"""Links, inline code and tables, on both ways through a page: the article told apart, and all that is visible."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_engineering.infrastructure.parsers.article import read_page
from llm_engineering.infrastructure.parsers.markup import code_span, table
from llm_engineering.infrastructure.parsers.targets import target_of

SENTENCE = "The boats came back in the evening, and nobody had expected the catch to be this good. "
PARAGRAPH = f"<p>{SENTENCE * 5}</p>"
URL = "https://news.example/fish/a.html"
FILE = "file:///home/ann/fish/a.html"


def both(body: str, url: str = URL, head: str = "") -> list[str]:
    """Return what comes of the body in a long page, by the main extraction, and in a page of its own, as seen."""
    long = read_page(
        f"<html><head>{head}</head><body><article>{PARAGRAPH}{body}{PARAGRAPH}</article></body></html>", url
    )
    short = read_page(f"<html><head>{head}</head><body>{body}</body></html>", url)
    assert (long.extraction, short.extraction) == ("article", "visible")
    return [long.text, short.text]


@pytest.mark.parametrize(
    ("link", "markdown"),
    [
        ('<a href="https://example.org/x?a=1">the reference</a>', "[the reference](https://example.org/x?a=1)"),
        ('<a href="https://example.org/x?a=1&amp;b=2">x</a>', "[x](https://example.org/x?a=1&b=2)"),
        ('<a href="b.html#c">x</a>', "[x](https://news.example/fish/b.html#c)"),
        ('<a href="/b">x</a>', "[x](https://news.example/b)"),
        ('<a href="//cdn.example/b">x</a>', "[x](https://cdn.example/b)"),
        ('<a href="mailto:ann@news.example">Ann</a>', "[Ann](mailto:ann@news.example)"),
        ('<a href="mailto:ann@news.example">ann@news.example</a>', "ann@news.example"),
        ('<a href="https://example.org/x">https://example.org/x</a>', "https://example.org/x"),
        ('<a href="https://example.org/">https://example.org</a>', "https://example.org"),
        ('<a href="https://example.org/x(y)">x</a>', "[x](https://example.org/x(y))"),
        ('<a href="https://example.org/x)y">x</a>', "[x](https://example.org/x%29y)"),
        ('<a href="https://example.org/a b|c">x</a>', "[x](https://example.org/a%20b%7Cc)"),
        ('<a href="/b"><code>name</code></a>', "[`name`](https://news.example/b)"),
        ('<code><a href="/b">name</a></code>', "[`name`](https://news.example/b)"),
        ('<code>f(<a href="/b">name</a>)</code>', "`f(name)`"),
        ('<a href="/b">two<br>lines</a>', "[two lines](https://news.example/b)"),
        ('<a href="/b">open [ bracket</a>', "[open \\[ bracket](https://news.example/b)"),
        ('<a href="javascript:alert(1)">x</a>', "x"),
        ('<a href=" java&#10;script:alert(1)">x</a>', "x"),
        ('<a href="&#1;JavaScript:alert(1)">x</a>', "x"),
        ('<a href="data:text/html,x">x</a>', "x"),
        ('<a href="file:///etc/passwd">x</a>', "x"),
        ('<a href="#top">x</a>', "x"),
        ('<a href="">x</a>', "x"),
        ('<a href="a.html#top">x</a>', "x"),
        ('<a href="http://[broken">x</a>', "x"),
        ('<a name="x">x</a>', "x"),
        ('x<a href="/b"><img src="/i.png"></a>', "x"),
        ('x<a href="/b"> </a>', "x"),
        ("<code>pip install x</code>", "`pip install x`"),
        ("<code>a `tick` b</code>", "``a `tick` b``"),
        ("<kbd>Ctrl</kbd>", "`Ctrl`"),
    ],
)
def test_links_and_code_keep_what_they_are(link: str, markdown: str) -> None:
    for text in both(f"<p>{SENTENCE}Before {link} after.</p>"):
        assert f"Before {markdown} after." in re.sub(r" +(?= )", "", text)


def test_links_of_a_local_file_stay_relative() -> None:
    body = f'<p>{SENTENCE}See <a href="../b.html#c">b</a>, <a href="#d">d</a>, <a href="https://e.example/">e</a>.</p>'
    for url in (FILE, "https://code.example/repo.git#docs/a.html", ""):
        for text in both(body, url):
            assert "See [b](../b.html#c), d, [e](https://e.example/)." in text


def test_the_base_of_a_page_is_heeded() -> None:
    for text in both('<p>See <a href="b.html">b</a>.</p>', FILE, '<base href="https://docs.example/v2/">'):
        assert "See [b](https://docs.example/v2/b.html)." in text


def test_a_link_around_several_blocks_goes_to_the_first_of_them() -> None:
    text = both('<a href="/b"><h2>Title</h2><p>The lines below it.</p></a>')[1]
    assert text == "## [Title](https://news.example/b)\n\nThe lines below it."


TABLE = (
    "<table><caption>Prices</caption><thead><tr><th>Fish</th><th>Price</th></tr></thead>"
    "<tr><td><p>cod | fresh</p></td><td>3<br>to 4</td></tr>"
    '<tr><td><a href="/eel">eel</a></td><td><code>x|y</code></td></tr></table>'
)


def test_tables_keep_their_structure() -> None:
    for text in both(TABLE):
        assert (
            "| Fish | Price |\n| --- | --- |\n| cod \\| fresh | 3 to 4 |\n"
            "| [eel](https://news.example/eel) | `x\\|y` |" in text
        )


def test_tables_without_a_header_take_the_first_row() -> None:
    rows = "<tr><td>a</td><td>b</td></tr><tr><td>1</td><td>2</td></tr>"
    for text in both(f"<table>{rows}</table>"):
        assert "| a | b |\n| --- | --- |\n| 1 | 2 |" in text


@pytest.mark.parametrize(
    "html",
    [
        f"<table><tr><td>{PARAGRAPH * 3}</td><td>beside</td></tr><tr><td>a</td><td>b</td></tr></table>",
        "<table><tr><td><h1>Fish</h1></td><td>beside</td></tr><tr><td>a</td><td>b</td></tr></table>",
        "<table><tr><td>beside</td></tr><tr><td><table><tr><td>a</td><td>b</td></tr></table></td></tr></table>",
        "<table role=presentation><tr><td>beside</td><td>x</td></tr><tr><td>a</td><td>b</td></tr></table>",
        "<table><tr><td>beside</td></tr><tr><td>a</td></tr></table>",
    ],
)
def test_tables_that_lay_out_a_page_come_out_as_text(html: str) -> None:
    text = read_page(html, URL, article=False).text
    assert "beside" in text
    assert "---" not in text


@pytest.mark.parametrize(
    "html",
    [
        "<table><tr><td>a<td>b<tr><td>c<td>d",
        "<table><tr><th>a</th><th>b</th></tr><tr><td>c<td>d</table></table>",
        "<div><table><th>a<th>b<tr><td>c<td>d</div>",
    ],
)
def test_careless_tables_are_read(html: str) -> None:
    assert read_page(html, URL).text == "| a | b |\n| --- | --- |\n| c | d |"


def test_spanning_cells_keep_the_columns_apart() -> None:
    html = "<table><tr><th colspan=2>a</th><th>b</th></tr><tr><td>1</td><td>2</td><td>3</td></tr></table>"
    assert read_page(html, URL).text == "| a |  | b |\n| --- | --- | --- |\n| 1 | 2 | 3 |"


def test_addresses_are_no_text() -> None:
    address = "https://example.org/" + "x" * 1500
    body = "".join(f"<p>{SENTENCE}<a href='{address}{i}'>more</a></p>" for i in range(9))
    linked = read_page(f"<article>{body}</article>", URL)
    bare = read_page(re.sub(r"</?a[^>]*>", "", f"<article>{body}</article>"), URL)
    assert linked.text.count(address) == 9
    assert (linked.coverage, linked.extraction, linked.verdict) == (bare.coverage, bare.extraction, bare.verdict)
    assert re.sub(r"\[(.*?)\]\(.*?\)", r"\1", linked.text) == bare.text


def test_a_page_of_links_does_not_grow() -> None:
    items = "".join(f"<li>{i}. <a href='/a/long/address/of/entry/{i}'>Entry {i}</a></li>" for i in range(500))
    html = f"<h1>Index</h1><p>See <a href='/b'>the help</a> for more.</p><ul>{items}</ul>"
    text = read_page(html, URL, article=False).text
    assert "See [the help](https://news.example/b) for more." in text
    assert "- 7. Entry 7\n" in text
    assert "address" not in text


def test_a_short_list_of_links_keeps_them() -> None:
    items = "".join(f"<li><a href='/{i}'>Entry {i}</a></li>" for i in range(9))
    assert "- [Entry 7](https://news.example/7)" in read_page(f"<h1>Sources</h1><ul>{items}</ul>", URL).text


@pytest.mark.parametrize("character", ["\U00030001", "\U00031301", "&#x30001;", "&#196609;", "&#x031300;"])
def test_pages_with_the_characters_of_the_marks_lose_nothing(character: str) -> None:
    html = f"<p>{SENTENCE}{character} and <a href='/b'>a link</a> with <code>code</code></p>"
    for text in both(html):
        assert re.search("[\U00030000-\U00031fff] and a link with ", text)


@pytest.mark.parametrize("reference", ["&#x30;", "&#x3000;", "&#48;", "&#196;"])
def test_common_references_are_no_marks(reference: str) -> None:
    assert "[b](https://news.example/b)" in read_page(f"<p>{reference} <a href='/b'>b</a></p>", URL).text


def test_no_mark_is_left_behind() -> None:
    pieces = ["<a href='/b'>", "</a>", "<code>", "</code>", "<p>", "</p>", "<br>", "<table><tr><td>", "</table>", "x"]
    rotations = ["".join((pieces[i:] + pieces[:i])[::step] * 3) for i in range(len(pieces)) for step in (1, -1, 3, 7)]
    for body in rotations:
        for html in (body, f"<article>{PARAGRAPH}{body}{PARAGRAPH}</article>"):
            assert not re.search("[\U00030000-\U00031fff]", read_page(html, URL).text)


def test_marks_cost_no_time() -> None:
    began = time.monotonic()
    read_page("<p>" + "<a href='/b'>x</a><code>y</code> " * 20_000, URL, article=False)
    read_page("<table><tr>" + "<td>x" * 20_000 + "<tr><td>y" * 20_000, URL, article=False)
    read_page("<a href=/b><code>" * 20_000, URL, article=False)
    assert time.monotonic() - began < 10


def test_ragged_tables_are_not_filled_up_without_bounds() -> None:
    assert len(table([["x"] * 5000, *(["y"] for _ in range(5000))])) < 200_000


@given(st.text())
def test_inline_code_is_fenced_by_more_backticks_than_it_holds(text: str) -> None:
    span = code_span(text).strip()
    assert text.strip() in span
    if text.strip():
        fence = re.match("`+", span)
        assert fence is not None
        assert f"`{fence.group()}" not in text


@given(st.text())
def test_targets_stay_inside_their_brackets_and_lead_to_the_web(reference: str) -> None:
    target = target_of(reference, URL)
    assert not re.search(r"[\s<>|\\`]", target)
    assert not target or target.lower().startswith(("http://", "https://", "mailto:"))
    assert target.count("(") == target.count(")")

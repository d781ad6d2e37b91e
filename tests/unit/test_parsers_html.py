import subprocess
import sys
import time
from pathlib import Path

import pytest

from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.parsers.article import read_page
from llm_engineering.infrastructure.parsers.links import Links
from llm_engineering.infrastructure.parsers.visible_reader import read_visible
from llm_engineering.infrastructure.parsers.worker import HtmlParser

SENTENCE = "The boats came back in the evening, and nobody had expected the catch to be this good. "
PARAGRAPH = f"<p>{SENTENCE * 5}</p>"
URL = "https://news.example/a"
MANUAL = Path("/usr/share/doc/postgresql-doc-15/html")


def article(body: str, head: str = "") -> str:
    main = f"<article>{PARAGRAPH}{body}{PARAGRAPH}</article>"
    return f"<html><head><title>Fish | News</title>{head}</head><body>{main}</body></html>"


def text_of(body: str) -> str:
    return read_page(article(body), URL).text


def test_headings_lists_and_emphasis_become_markdown() -> None:
    text = text_of(
        "<h2>Catch</h2><ul><li>cod</li><li>two<ul><li>herring</li></ul></li></ul><ol><li>first</li><li>second</li></ol>"
        "<p>A <b>bold</b> and <em>soft</em> word, H<sub>2</sub>O, and <a href='/x'>the text of a link</a>.<br>Next</p>"
        "<blockquote><p>said she</p></blockquote>"
    )
    assert "## Catch\n\n- cod\n- two\n  - herring\n\n1. first\n2. second\n\n" in text
    assert (
        "A **bold** and *soft* word, H2O, and [the text of a link](https://news.example/x).\nNext\n\n> said she" in text
    )


def test_names_are_not_escaped() -> None:
    assert "call snake_case_name with *args and `other_name`, see [1]" in text_of(
        "<p>call snake_case_name with *args and <code>other_name</code>, see [1]</p>"
    )


def test_code_keeps_every_character_and_its_language() -> None:
    code = 'def f(x):\n    if x < 3 and "a_b":\n\n        return [1,\t2]\n\n\n    return x'
    markup = code.replace("<", "&lt;")
    assert f"```python\n{code}\n```" in text_of(f'<pre><code class="language-python">{markup}\n</code></pre>')
    assert f"```\n{code}\n```" in text_of(f"<pre>{markup}</pre>")
    spans = "".join(f"<span>{line}</span>\n" for line in markup.split("\n"))
    assert f"```python\n{code}\n```" in text_of(f'<div class="highlight-python"><div><pre>{spans}</pre></div></div>')


def test_what_stands_in_figures_and_notes_is_read_and_templates_and_teasers_are_not() -> None:
    text = text_of(
        "<figure><img src='a.png' alt='x'><figcaption>Figure 1: the nets.</figcaption></figure>"
        "<figure class='highlight'><table><tr><td class='gutter'><pre>1\n2</pre></td>"
        "<td class='code'><pre>haul()\nsort()</pre></td></tr></table><figcaption><p>Listing 1</p></figcaption></figure>"
        "<figure><blockquote><p>said she</p></blockquote><figcaption>A fisher</figcaption></figure>"
        "<figure class='table-container'><table><tr><th>fish</th></tr><tr><td>cod</td></tr></table></figure>"
        "<template><p>a row of a script</p></template>"
        "<aside class='admonition warning'><p>Mind the wind.</p><pre>reef()</pre></aside>"
        "<aside aria-label='Note' class='starlight-aside'><p>Ropes get wet.</p></aside>"
        "<aside class='teaser'><p>Read about our new boat.</p></aside>"
    )
    assert "Mind the wind.\n\n```\nreef()\n```\n\nRopes get wet." in text
    assert "new boat" not in text
    assert "Figure 1: the nets.\n\n```\nhaul()\nsort()\n```\n\nListing 1\n\n> said she\n\nA fisher\n\n" in text
    assert "| fish |\n| --- |\n| cod |" in text
    assert "row of a script" not in text


def test_code_inside_lists_quotes_and_beside_line_numbers_survives() -> None:
    text = text_of(
        "<ul><li><pre>a\n\nb</pre></li></ul><blockquote><pre>c\nd</pre></blockquote>"
        "<table><tr><td><pre>1\n2</pre></td><td><pre>x = 1\ny = 2</pre></td></tr></table><pre>has ``` in it</pre>"
    )
    assert "- ```\n  a\n  \n  b\n  ```" in text
    assert "> ```\n> c\n> d\n> ```" in text
    assert "```\nx = 1\ny = 2\n```" in text
    assert "````\nhas ``` in it\n````" in text


def test_tables_become_markdown() -> None:
    rows = "<tr><th>Fish</th><th>Price</th></tr><tr><td>cod | fresh</td><td>3</td></tr><tr><td>eel</td></tr>"
    assert "| Fish | Price |\n| --- | --- |\n| cod \\| fresh | 3 |\n| eel |  |" in text_of(f"<table>{rows}</table>")


def test_what_a_page_says_of_itself_is_kept() -> None:
    head = (
        '<meta name="author" content="Ann Lee"><meta property="article:published_time" content="2024-03-05T10:00:00Z">'
        '<meta property="og:site_name" content="News"><meta property="og:title" content="Fish prices">'
        '<link rel="canonical" href="/canonical">'
    )
    page = read_page(article("<h1>Fish prices</h1>", head), URL)
    assert (page.title, page.author, page.date, page.site) == ("Fish prices", "Ann Lee", "2024-03-05", "News")
    assert page.canonical == "https://news.example/canonical"
    assert (page.extraction, page.coverage) == ("article", 1.0)


def test_navigation_is_left_out() -> None:
    html = f"<nav><a href='/'>Start</a></nav><article>{PARAGRAPH * 3}</article><footer>Imprint</footer>"
    text = read_page(html, URL).text
    assert "Start" not in text
    assert "Imprint" not in text


@pytest.mark.parametrize("depth", [250, 300, 1000, 50_000])
def test_deep_nesting_loses_nothing(depth: int) -> None:
    deep = f"{'<div>' * depth}<p>{SENTENCE * 20}deep end</p>{'</div>' * depth}"
    html = f"<html><body>{PARAGRAPH}{deep}<p>last words</p></body></html>"
    with HtmlParser(20.0) as parser:
        text = parser.parse(html).text
    assert "deep end" in text
    assert "last words" in text


@pytest.mark.slow
def test_a_huge_text_node_is_not_lost() -> None:
    with HtmlParser(30.0) as parser:
        assert len(parser.parse(f"<html><body><p>{'word ' * 2_200_000}</p></body></html>").text) > 10_000_000


@pytest.mark.parametrize("half", ["\ud83d", "&#xD83D;", "&#55357;", "&#x0000d83d", "\x00", "&#0;"])
def test_halves_of_surrogate_pairs_take_no_paragraph_with_them(half: str) -> None:
    with HtmlParser(20.0) as parser:
        assert "before" in parser.parse(article(f"<p>{SENTENCE}before{half}after</p>"), URL).text


def test_an_extraction_that_loses_most_is_replaced_by_what_is_visible() -> None:
    cards = "".join(
        f"<div class='teaser-list__item'><span>Catalogue entry {i} with its own words</span></div>" for i in range(60)
    )
    page = read_page(f"<html><body><article><p>{SENTENCE}</p></article><div>{cards}</div></body></html>", URL)
    assert "Catalogue entry 59" in page.text
    assert page.coverage > 0.9


def test_short_pages_keep_their_structure() -> None:
    assert read_page("<h1>Hi</h1><p>Hello</p><ul><li>you</li></ul><pre>a\n b</pre>", URL).text == (
        "# Hi\n\nHello\n\n- you\n\n```\na\n b\n```"
    )


def test_wrapping_class_names_do_not_hide_a_page() -> None:
    for name in ("no-sidebar", "has-comments", "layout share-page"):
        assert "Hello" in read_page(f"<div class='{name}'><h1>Hi</h1><p>Hello</p></div>", URL).text
    assert "Hello" in read_page("<div class='comments'><p>Hello</p></div>", URL).text


@pytest.mark.parametrize(
    "html",
    [
        "<p>a<p>b",
        "<li>a<li>b",
        "</div></p>a<br>b",
        "<p><b>a</p><p>b",
        "<tr><td>a<td>b",
        "a<!-- --><span>b",
        "<p hidden>x<p>a b",
    ],
)
def test_careless_html_is_read(html: str) -> None:
    text = read_visible(html, Links(html)).text
    assert "a" in text
    assert "b" in text
    assert "x" not in text


def test_a_parser_that_hangs_is_replaced() -> None:
    with HtmlParser(1.5) as parser:
        began = time.monotonic()
        with pytest.raises(SourceError) as raised:
            parser.parse("<a " * 1_000_000)
        assert raised.value.reason == "unparsable"
        assert time.monotonic() - began < 15
        assert parser.parse("<p>still here</p>").text == "still here"


def test_the_parser_sees_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    started: list[dict[str, str]] = []
    real = subprocess.Popen

    def recording(*arguments: object, **options: object) -> object:
        started.append(options["env"])  # type: ignore[arg-type]
        return real(*arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", recording)
    with HtmlParser(20.0) as parser:
        parser.parse("<p>x</p>")
    assert len(started) == 1
    assert "SECRET_TOKEN" not in started[0]


def test_importing_the_parsers_is_cheap() -> None:
    code = (
        "import sys, llm_engineering.infrastructure.sources\n"
        "heavy = {'httpx', 'lxml', 'trafilatura', 'protego', 'charset_normalizer'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_text_that_libxml2_drops_is_kept_and_the_page_says_so() -> None:
    shown = "<p>" + "A paragraph about whales and the sea around them. " * 5 + "</p>"
    deep = "<div>" * 5_000 + "<p>" + "Deep down lies the treasure. " * 10 + "</p>"
    with HtmlParser(20) as parser:
        page = parser.parse(f"<html><body><article>{shown * 8}{deep}</article></body></html>")
    assert "treasure" in page.text
    assert page.extraction == "visible"
    assert "never saw" in str(page.provenance["note"])


def test_a_page_that_needs_more_memory_than_allowed_is_read_more_simply_and_says_so() -> None:
    with HtmlParser(20, memory_mb=200) as small:
        page = small.parse("<p>" + "<b>x</b> word " * 150_000 + "the end</p>")
        assert page.text.endswith("the end")
        assert "more than 200 MB (parse_memory_mb)" in page.note
        assert small.parse("<p>whales</p>").note == ""


def test_a_page_that_grows_out_of_all_proportion_is_given_up() -> None:
    page = f"<base href='http://x/{'a' * 1_900}/'>" + "<p>y <a href=x>x</a> z</p>" * 4_500
    with HtmlParser(20) as parser, pytest.raises(SourceError, match="out of all proportion"):
        parser.parse(page, "http://x/")


def test_references_of_thousands_of_digits_are_no_characters() -> None:
    assert read_page(f"<p>before &#{'9' * 9_000} after</p>", "").text == "before \ufffd after"


TEXT_OF_A_PAGE = "<p>" + "A query reads rows from tables and gives them back in an order that it names. " * 12 + "</p>"


@pytest.mark.parametrize(
    ("head", "body", "title"),
    [
        # DocBook gives notes headings with the class that others give to the title of a page.
        ("<title>SELECT</title>", "<h2>SELECT</h2>{text}<h3 class='title'>Note</h3>{text}", "SELECT"),
        ("<title>SELECT | Manual</title>", "<h2>SELECT</h2>{text}<h3 class='title'>Warning</h3>{text}", "SELECT"),
        ("<title>13.1. Locks</title>", "<h2 class='title'>13.1. Locks</h2>{text}", "13.1. Locks"),
        ("<title>Plain</title>", "{text}<h3 class='title'>Caution</h3>{text}", "Plain"),
        (
            "<title>Site</title><meta property='og:title' content='Of the page'>",
            "{text}<h3 class='title'>Tip</h3>",
            "Of the page",
        ),
        # Without a better one, a heading is what there is; with one, `<title>` need not repeat the top heading.
        ("", "<h2 class='title'>Alone</h2>{text}", "Alone"),
        ("<title>Site</title>", "<h1>Top heading</h1>{text}<h3 class='title'>Note</h3>", "Top heading"),
    ],
)
def test_the_title_of_a_note_is_not_the_title_of_the_page(head: str, body: str, title: str) -> None:
    page = read_page(f"<html><head>{head}</head><body>{body.format(text=TEXT_OF_A_PAGE)}</body></html>", "")
    assert page.title == title


@pytest.mark.skipif(not MANUAL.is_dir(), reason="the PostgreSQL manual is not installed")
@pytest.mark.parametrize(
    ("name", "title"),
    [("sql-select", "SELECT"), ("app-psql", "psql"), ("sql-createrule", "CREATE RULE"), ("pgupgrade", "pg_upgrade")],
)
def test_pages_of_a_manual_have_their_own_titles(name: str, title: str) -> None:
    assert read_page((MANUAL / f"{name}.html").read_text(), "").title == title


_TEX = '<annotation encoding="application/x-tex">{}</annotation><annotation-xml><ci>content</ci></annotation-xml>'
_LONG = f"<p>{'Some words about fish and the sea. ' * 20}</p>"


@pytest.mark.parametrize("more", ["", _LONG], ids=["short", "article"])
@pytest.mark.parametrize(
    ("formula", "text"),
    [
        ("<math><mi>E</mi><mo>=</mo><mi>m</mi></math>", "E=m"),
        ('<math alttext="E=mc^2"><mi>E</mi></math>', r"\(E=mc^2\)"),
        (f'<math display="block"><semantics><mi>E</mi>{_TEX.format("E_1")}</semantics></math>', r"\[E_1\]"),
        (
            f'<span class="katex"><span class="katex-mathml"><math><mi>x</mi>{_TEX.format("x_1")}</math></span>'
            '<span class="katex-html" aria-hidden="true"><span>x</span><span>1</span></span></span>',
            r"\(x_1\)",
        ),
        (
            '<span class="mwe-math-mathml-inline mwe-math-mathml-a11y" style="display: none;">'
            f'<math><mi>E</mi>{_TEX.format("E")}</math></span><img src="e.svg" alt="E">',
            r"\(E\)",
        ),
        ('<span style="display: none"><math><mi>E</mi></math></span>', ""),
    ],
    ids=["shown", "alttext", "tex", "katex", "wikipedia", "hidden"],
)
def test_formulas_are_read_as_their_tex_or_as_they_are_shown(formula: str, text: str, more: str) -> None:
    html = f"<html><body><article><h1>Energy</h1>{more}<p>Here {formula} is it.</p></article></body></html>"
    page = read_page(html, "https://example.org/")
    assert page.extraction == ("article" if more else "visible")
    assert page.text.split("\n\n")[-1] == " ".join(f"Here {text} is it.".split())


@pytest.mark.parametrize("more", ["", f"<p>{_LONG}</p>"], ids=["visible", "article"])
def test_an_exponent_stays_above_the_line(more: str) -> None:
    text = "10<sup>3</sup> m<sup>2</sup> of H<sub>2</sub>O, 10<sup>-6</sup>, x<sup>n</sup>, the 1<sup>st</sup>"
    page = read_page(f"<html><body><article><h1>Water</h1>{more}<p>It has {text} one.</p></article></body></html>", "")
    assert page.extraction == ("article" if more else "visible")
    assert page.text.split("\n\n")[-1] == "It has 10³ m² of H2O, 10⁻⁶, xⁿ, the 1st one."


def test_a_formula_that_is_never_closed_and_one_of_thousands_cost_no_text() -> None:
    page = read_page(f"<p>Cod {'<math><mi>x' * 5000} eel</p><p>Ray.</p>", "")
    assert page.text.startswith("Cod")
    assert "eel" in page.text
    many = "".join(f"<p>Fish {n} has <math><mi>n</mi>{_TEX.format('n')}</math> bones.</p>" for n in range(300))
    assert read_page(f"<article><h1>Fish</h1>{many}</article>", "").extraction == "article"


def test_a_quote_in_a_sentence_stays_in_it() -> None:
    page = read_page(f"<article><h1>Fish</h1>{_LONG}<p>He said <q>eat <b>cod</b></q> to us.</p></article>", "")
    assert "He said “eat **cod**” to us." in page.text

"""The main content of an HTML page, told apart from the rest by trafilatura, and what the page says about itself."""

import re
from dataclasses import dataclass
from urllib.parse import urljoin

import trafilatura
from lxml import html as lxml_html
from lxml.etree import ParserError
from lxml.html import HtmlElement
from trafilatura.metadata import extract_metadata
from trafilatura.settings import Document
from trafilatura.xpaths import BODY_XPATH

from llm_engineering.infrastructure.parsers.boxes import open_boxes, write_exponents, write_formulas
from llm_engineering.infrastructure.parsers.code_blocks import CodeBlocks
from llm_engineering.infrastructure.parsers.links import Links
from llm_engineering.infrastructure.parsers.markdown import render
from llm_engineering.infrastructure.parsers.page import Page
from llm_engineering.infrastructure.parsers.verdicts import judge
from llm_engineering.infrastructure.parsers.visible import VisiblePage, ink
from llm_engineering.infrastructure.parsers.visible_reader import read_visible

# With less of the visible text than this the extraction is not believed …
_LEAST_COVERAGE = 0.5
# … if more than this is missing. Asides, comments and teasers may go.
_MOST_LOST = 400
# In pages as short as this nothing needs to be told apart, and the extraction would drop headings and lists.
_SHORT = 400

# libxml2 drops what is nested too deep without a word. More than this share of the visible text, and it did.
_MOST_UNSEEN = 0.01
_UNSEEN = frozenset({"script", "style", "title", "noscript", "template"})

_LOWER_HEADINGS = ("h2", "h3", "h4", "h5", "h6")

_XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_FEW_HEADINGS = 2
_MOST_DIGITS = 20
_NUMERIC_REFERENCE = re.compile(r"(?i)&#(x[0-9a-f]+|[0-9]+);?")
_NOT_IN_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_PERMALINKS = (
    "//a[starts-with(@href, '#')][normalize-space() = '¶' or normalize-space() = '#' or normalize-space() = '§']"
)
# What a script may show some day. The template of a shadow root is shown at once.
_TEMPLATES = "//template[not(@shadowrootmode)]"

_CODE_AROUND = "ancestor::*[self::code or self::kbd or self::samp or self::tt or self::var or self::pre]"
# A date from the metadata or a date element; none guessed from the text.
_DATES = {"extensive_search": False, "original_date": True}


@dataclass(frozen=True, slots=True)
class _Article:
    """`marked` holds the marks of links, `text` is without. `seen` counts the characters that libxml2 passed on."""

    seen: int = 0
    marked: str = ""
    text: str = ""
    title: str = ""
    author: str = ""
    date: str = ""
    site: str = ""


def read_page(html: str, url: str, *, article: bool = True) -> Page:
    """Read an HTML page: main content as Markdown, metadata, and the verdict whether it is a document at all.

    With `article=False` nothing is told apart: the text is all that is visible, as after a failure of the extraction.
    """
    clean = _NUMERIC_REFERENCE.sub(_without_surrogates, _NOT_IN_XML.sub("\ufffd", _XML_DECLARATION.sub("", html)))
    links = Links(clean, url)
    visible = read_visible(clean, links)
    has_sections = len(_headings(visible)) >= _FEW_HEADINGS
    main = _article(clean, url, links, has_sections=has_sections) if article else _Article()
    coverage = _coverage(main.text, visible)
    lost = visible.ink - main.seen if article else 0
    is_whole = lost <= _MOST_UNSEEN * visible.ink
    trusted = bool(main.text) and is_whole and _is_better(main.text, coverage, visible)
    plain = main.text if trusted else visible.text
    return Page(
        text=links.markdown(main.marked if trusted else visible.markdown()).strip(),
        title=_title(main, visible),
        author=main.author or visible.meta.get("author", ""),
        date=main.date,
        site=main.site or visible.meta.get("og:site_name", ""),
        canonical=_joined(url, visible.canonical),
        extraction="article" if trusted else "visible",
        coverage=round(coverage if trusted else _coverage(plain, visible), 2),
        verdict=judge(visible, plain),
        note="" if is_whole else f"the main extraction never saw {lost} of {visible.ink} characters; this is all text",
    )


def _without_surrogates(reference: re.Match[str]) -> str:
    """Replace a reference to half of a surrogate pair, because the paragraph around one would vanish.

    So is one with more digits than any character has: Python refuses to convert thousands of them.
    """
    digits = reference.group(1).lower()
    if len(digits) > _MOST_DIGITS:
        return "\ufffd"
    code = int(digits[1:], 16) if digits[0] == "x" else int(digits)
    return "\ufffd" if 0xD800 <= code <= 0xDFFF else reference.group()


def _frame(tree: HtmlElement) -> None:
    """Say that the body is the article where nothing names the main content, as in DocBook's manuals.

    Without a name the extraction collects paragraphs and code alone, and drops headings and lists.
    """
    body = tree.find("body")
    if body is None or any(next(iter(found(tree)), None) is not None for found in BODY_XPATH):
        return
    frame = body.makeelement("article")
    frame.text, body.text = body.text, None
    frame.extend(list(body))
    body.append(frame)


def _article(html: str, url: str, links: Links, *, has_sections: bool) -> _Article:
    parser = lxml_html.HTMLParser(huge_tree=True, encoding="utf-8")
    try:
        tree = lxml_html.document_fromstring(html.encode(), parser=parser)
    except ParserError:  # nothing but end tags and the like
        return _Article()
    write_formulas(tree)
    write_exponents(tree)
    seen = _ink_in(tree)
    for dropped in tree.xpath(f"{_PERMALINKS} | {_TEMPLATES}"):
        dropped.drop_tree()
    open_boxes(tree)
    said = extract_metadata(tree, url or None, _DATES, extensive=False)  # before there are marks
    code = CodeBlocks(tree, html)
    if has_sections:
        _frame(tree)
    _mark_links(tree, links)
    found = trafilatura.bare_extraction(
        tree, url=url or None, include_comments=False, include_formatting=True, output_format="xml"
    )
    marked = ""
    if isinstance(found, Document):
        code.collapse(found.body)
        marked = code.restore(render(found.body)).strip()
    return _Article(
        seen=seen,
        marked=marked,
        text=links.plain(marked),
        title=said.title or "",
        author=said.author or "",
        date=said.date or "",
        site="" if said.sitename in (None, said.hostname) else said.sitename,
    )


def _ink_in(tree: HtmlElement) -> int:
    """Count the characters of a tree that are not blank, seen by a reader or not."""
    inside = sum(ink(element.text) for element in tree.iter() if element.text and element.tag not in _UNSEEN)
    return inside + sum(ink(element.tail) for element in tree.iter() if element.tail)


def _mark_links(tree: HtmlElement, links: Links) -> None:
    """Put marks at the beginning and the end of the text of each link. Inside code, only all of it can be a link."""
    for link in tree.xpath("//a[@href][normalize-space()]"):
        around = link.xpath(_CODE_AROUND)
        if around and (around[0].text_content() != link.text_content() or "`" in link.text_content()):
            continue
        for line_break in link.xpath(".//br"):
            line_break.tail = " " + (line_break.tail or "")
            line_break.drop_tree()
        beginning = links.begin(link.get("href"))
        link.text = beginning + (link.text or "")
        if len(link):
            link[-1].tail = (link[-1].tail or "") + links.end(beginning)
        else:
            link.text += links.end(beginning)


def _coverage(text: str, visible: VisiblePage) -> float:
    """Return the share of the visible text outside navigation and links that the text holds, at most 1."""
    return min(1.0, ink(text) / visible.unlinked) if visible.unlinked > 0 else 1.0


def _is_better(text: str, coverage: float, visible: VisiblePage) -> bool:
    """Tell whether the extraction is to be preferred to all that is visible."""
    if coverage < _LEAST_COVERAGE and visible.unlinked - ink(text) > _MOST_LOST:
        return False
    return visible.unlinked > _SHORT


def _title(main: _Article, visible: VisiblePage) -> str:
    """Return the title of a page. A lower heading is one only if `<title>` names it: notes and warnings have headings
    with a class `title`, too, which the extraction takes for the page's."""
    agreeing = [text for text in _headings(visible) if _names(visible.title, text)][:1]
    trusted = [] if _is_only_a_section(main.title, visible) else [main.title]
    candidates = (*trusted, visible.meta.get("og:title", ""), *visible.headings, *agreeing, visible.title, main.title)
    return next((text for title in candidates if (text := _plain(title))), "")


def _is_only_a_section(title: str, visible: VisiblePage) -> bool:
    named = (visible.title, visible.meta.get("og:title", ""))
    if not any(map(_plain, named)) or any(_names(name, _plain(title)) for name in named):
        return False
    return _plain(title) in _headings(visible)


def _headings(visible: VisiblePage) -> list[str]:
    """Return the texts of the headings below the top one."""
    return [_plain(block.text) for block in visible.blocks if block.tag in _LOWER_HEADINGS]


def _names(title: str, heading: str) -> bool:
    """Tell whether a title begins or ends with a heading: the rest is the site's name, or the chapter's."""
    words, wanted = _plain(title).casefold().split(), heading.casefold().split()
    return bool(wanted) and wanted in (words[: len(wanted)], words[-len(wanted) :])


def _plain(text: str) -> str:
    return " ".join(text.split()).rstrip("¶# ")


def _joined(url: str, reference: str) -> str:
    try:
        return urljoin(url, reference) if reference else ""
    except ValueError:  # no URL at all
        return ""

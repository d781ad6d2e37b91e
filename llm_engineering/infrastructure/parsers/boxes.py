"""Captions, figures, notes, formulas and quotes of an HTML page, put where the extraction of its content keeps them."""

import re

from lxml.html import HtmlElement

from llm_engineering.infrastructure.parsers.markup import TEX, WIKIPEDIA, formula, raised

_NOTES = re.compile(
    r"(?i)\b(admonition|alert|callout|caution|danger|footnotes?|hint|important|info|note|tip|warning)\b"
)


def open_boxes(tree: HtmlElement) -> None:
    """Make of captions, figures, notes and short quotes what stands in the text itself."""
    _mark_quotes(tree)
    _move_captions(tree)
    _open_figures(tree)
    _open_notes(tree)


def write_formulas(tree: HtmlElement) -> None:
    """Put formulas into the text, because the extraction keeps only those that say their TeX."""
    for math in list(tree.iter("math")):
        notes = list(math.iter("annotation", "annotation-xml"))
        tex = next((note.text or "" for note in notes if note.get("encoding") == TEX), "")
        for note in notes:
            note.drop_tree()
        text = formula(tex or math.get("alttext", ""), math.text_content(), is_block=math.get("display") == "block")
        for child in list(math):
            math.remove(child)
        if WIKIPEDIA in math.getparent().get("class", ""):
            math.getparent().attrib.clear()
        math.attrib.clear()
        math.tag, math.text = "span", text


def write_exponents(tree: HtmlElement) -> None:
    """Write exponents so that they stay above the line, because the extraction puts them on it."""
    for above in tree.iter("sup"):
        if not len(above) and above.text:
            above.text = raised(above.text)


def _mark_quotes(tree: HtmlElement) -> None:
    """Put marks around what is quoted in a sentence, because the extraction makes a block of it."""
    for quote in list(tree.iter("q")):
        quote.tag, quote.text = "span", f"“{quote.text or ''}"
        if len(quote):
            quote[-1].tail = f"{quote[-1].tail or ''}”"
        else:
            quote.text += "”"


def _move_captions(tree: HtmlElement) -> None:
    """Put captions before their tables, because the extraction takes them for the first row."""
    for caption in tree.xpath("//table/caption"):
        table = caption.getparent()
        caption.tag, caption.tail = "p", None
        table.addprevious(caption)


def _open_figures(tree: HtmlElement) -> None:
    """Put what stands in figures into the text: the extraction drops them with their code, quotes and captions."""
    for caption in list(tree.iter("figcaption")):
        caption.tag = "div" if len(caption.xpath("./p | ./div | ./ul | ./ol | ./pre")) else "p"
    for figure in list(tree.iter("figure")):
        figure.tag = "div"


def _open_notes(tree: HtmlElement) -> None:
    """Put notes, warnings and footnotes into the text, as far as manuals write them as asides."""
    for aside in list(tree.iter("aside")):
        if _NOTES.search(" ".join(aside.get(name, "") for name in ("class", "role", "aria-label"))):
            aside.tag = "div"
            aside.attrib.clear()

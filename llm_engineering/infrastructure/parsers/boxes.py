"""Captions, figures and notes of an HTML page, put where the extraction of the main content keeps them."""

import re

from lxml.html import HtmlElement

_NOTES = re.compile(
    r"(?i)\b(admonition|alert|callout|caution|danger|footnotes?|hint|important|info|note|tip|warning)\b"
)


def open_boxes(tree: HtmlElement) -> None:
    """Make of captions, figures and notes what stands in the text itself."""
    _move_captions(tree)
    _open_figures(tree)
    _open_notes(tree)


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

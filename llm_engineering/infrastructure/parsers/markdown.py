"""Renders the main content that trafilatura found as Markdown.

Its own Markdown escapes every underscore (`snake\\_case`), which search would not find again, so its tree is rendered
here. The vocabulary is small: head, p, list/item, quote, code, table/row/cell, hi, del, ref, lb.
"""

import re
from collections.abc import Iterator

from lxml.etree import _Element

from llm_engineering.infrastructure.parsers.markup import code_block, code_span, table

_INLINE = frozenset({"hi", "ref", "del", "lb", "graphic", "span"})
_BLANKS = re.compile(r"\s+")
_EMPHASIS = {"#b": "**", "#i": "*"}


def render(body: _Element) -> str:
    """Return the element's content as Markdown, its blocks separated by blank lines."""
    return "\n\n".join(_children_as_blocks(body))


def _children_as_blocks(element: _Element) -> Iterator[str]:
    """Yield the blocks in an element; loose text and inline elements between them make paragraphs."""
    run = [_flat(element.text)]
    for child in element:
        if _is_inline(child):
            run.append(_inline(child))
        else:
            yield from _paragraph(run)
            run = []
            yield from _block(child)
        run.append(_flat(child.tail))
    yield from _paragraph(run)


def _is_inline(element: _Element) -> bool:
    if element.tag == "code":
        return "\n" not in "".join(element.itertext())
    return element.tag in _INLINE or not isinstance(element.tag, str)


def _block(element: _Element) -> Iterator[str]:
    match element.tag:
        case "head":
            text = _inline_content(element).replace("\n", " ").strip()
            if text:
                yield f"{'#' * _level(element)} {text}"
        case "code":
            yield code_block("".join(element.itertext()))
        case "list":
            yield from _list(element)
        case "quote":
            yield from (
                "> " + block.replace("\n", "\n> ") for block in ["\n\n".join(_children_as_blocks(element))] if block
            )
        case "table":
            yield from _table(element)
        case _:
            yield from _children_as_blocks(element)


def _level(head: _Element) -> int:
    rend = head.get("rend") or "h2"
    return int(rend[1]) if rend[1:2].isdigit() and rend[1] in "123456" else 2


def _list(element: _Element) -> Iterator[str]:
    """Yield the whole list as one block. Of a definition list, terms are items and definitions belong to them."""
    items = []
    number = 0
    for item in element.iterchildren("item"):
        blocks = list(_children_as_blocks(item))
        if not blocks:
            continue
        number += 1
        is_definition = (item.get("rend") or "").startswith("dd")
        marker = f"{number}. " if element.get("rend") == "ol" else "  " if is_definition else "- "
        indent = " " * len(marker)
        separator = "\n" if all(block.startswith(("- ", "1. ")) for block in blocks[1:]) else "\n\n"
        items.append(marker + separator.join(blocks).replace("\n", f"\n{indent}"))
    if items:
        yield re.sub(r"(?m)^[ ]+$", "", "\n".join(items))


def _table(element: _Element) -> Iterator[str]:
    rows = [[_inline_content(cell) for cell in row.iterchildren("cell")] for row in element.iter("row")]
    if text := table(rows):
        yield text


def _paragraph(run: list[str]) -> Iterator[str]:
    lines = (" ".join(line.split()) for line in "".join(run).split("\n"))
    text = "\n".join(line for line in lines if line)
    if text:
        yield text


def _flat(text: str | None) -> str:
    return _BLANKS.sub(" ", text or "")


def _inline_content(element: _Element) -> str:
    pieces = [_flat(element.text)]
    for child in element:
        pieces += (_inline(child), _flat(child.tail))
    return "".join(pieces)


def _inline(element: _Element) -> str:
    if not isinstance(element.tag, str):  # a comment
        return ""
    if element.tag == "lb":
        return "\n"
    if element.tag == "code" or element.get("rend") == "#t":
        return code_span("".join(element.itertext()))
    content = _inline_content(element)
    if element.tag == "hi":
        return _wrapped(content, _EMPHASIS.get(element.get("rend") or "", ""))
    if element.tag == "del":
        return _wrapped(content, "~~")
    return content if element.tag in _INLINE else f" {content} "


def _wrapped(text: str, mark: str) -> str:
    """Put the mark around the text, blanks staying outside."""
    core = text.strip()
    if not core or not mark:
        return text
    start = text.index(core)
    return f"{text[:start]}{mark}{core}{mark}{text[start + len(core) :]}"

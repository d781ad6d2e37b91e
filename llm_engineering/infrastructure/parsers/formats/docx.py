"""DOCX: paragraphs, headings, lists, tables, links, notes and text boxes as Markdown; what was deleted stays out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from llm_engineering.infrastructure.parsers.formats import Unreadable
from llm_engineering.infrastructure.parsers.formats.archive import (
    Archive,
    attribute,
    core_properties,
    local,
    main_part,
    targets,
)
from llm_engineering.infrastructure.parsers.formats.docx_numbers import Numbers
from llm_engineering.infrastructure.parsers.markup import table
from llm_engineering.infrastructure.parsers.visible import ink

_LEAST_COVERAGE = 0.9
# Never shown: deleted text, the second form of a drawing, field codes, comments' marks.
_HIDDEN = frozenset({"del", "moveFrom", "Fallback", "instrText", "delText", "pPr", "rPr", "sectPr", "tblPr", "tcPr"})
_MOST_COLUMNS = 63  # of Word
_HEADING = re.compile(r"(?i)heading\s*([1-6])")


@dataclass
class _Word:
    """What is needed of the other parts: the lists, heading levels of styles, targets of links, the notes."""

    numbers: Numbers
    levels: dict[str, int] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    used: list[str] = field(default_factory=list)


def read_docx(archive: Archive) -> dict[str, Any]:
    """Return title, text and how it was read.

    Raises:
        Unreadable: `unparsable`, `empty`.
    """
    main = main_part(archive, "word/document.xml")
    root = archive.xml(main)
    body = next((element for element in root if local(element) == "body"), root)
    word = _Word(Numbers.of(archive), _levels(archive), targets(archive, main), _notes(archive))
    blocks = [*_blocks(body, word)]
    blocks += [f"[^{note}]: {word.notes[note]}" for note in word.used]
    text = "\n\n".join(block for block in blocks if block.strip())
    visible = "\n\n".join(_plain(p) for p in body.iter() if local(p) == "p" and not _is_hidden(p, body))
    if not visible.strip():
        raise Unreadable("empty", "there is no text in it")
    coverage = min(1.0, ink(text) / max(1, ink(visible)))
    said = core_properties(archive)
    title = said.get("title") or next((b.lstrip("# ") for b in blocks if b.startswith("#")), "")
    found = {"title": title, "author": said.get("author", ""), "coverage": round(coverage, 2)}
    if coverage >= _LEAST_COVERAGE:
        return found | {"text": text, "extraction": "layout"}
    return found | {"text": visible, "extraction": "visible", "note": "the layout was lost; this is all its text"}


def _levels(archive: Archive) -> dict[str, int]:
    """Return the heading level of each paragraph style, its own or inherited."""
    if "word/styles.xml" not in archive:
        return {}
    own: dict[str, int] = {}
    parents: dict[str, str] = {}
    for style in archive.xml("word/styles.xml"):
        if local(style) != "style":
            continue
        key = attribute(style, "styleId")
        for element in style.iter():
            value = attribute(element, "val")
            if local(element) == "outlineLvl" and value.isdigit() and int(value) < 6:
                own[key] = int(value) + 1
            elif local(element) == "name" and (found := _HEADING.fullmatch(value)):
                own[key] = int(found.group(1))
            elif local(element) == "name" and value.lower() == "title":
                own[key] = 1
            elif local(element) == "basedOn":
                parents[key] = value
    for key in parents:
        ancestor, steps = key, 0
        while ancestor not in own and ancestor in parents and steps < 20:
            ancestor, steps = parents[ancestor], steps + 1
        if ancestor in own:
            own.setdefault(key, own[ancestor])
    return own


def _notes(archive: Archive) -> dict[str, str]:
    found = {}
    for kind in ("footnote", "endnote"):
        if f"word/{kind}s.xml" in archive:
            for note in archive.xml(f"word/{kind}s.xml"):
                text = " ".join(_plain(p) for p in note.iter() if local(p) == "p")
                if text.strip():
                    found[f"{kind[0]}{attribute(note, 'id')}"] = " ".join(text.split())
    return found


def _blocks(parent: Any, word: _Word) -> Iterator[str]:
    """Yield the blocks of a body, a cell or a text box; what only groups others is looked through."""
    for element in parent:
        name = local(element)
        if name == "p":
            yield _paragraph(element, word)
            for box in element.iter():
                if local(box) == "txbxContent" and not _is_hidden(box, element):
                    yield from _blocks(box, word)
        elif name == "tbl":
            rows = [row for row in element.iter() if local(row) == "tr" and _owner(row, "tbl") is element]
            yield table([[*_cells(row, word)] for row in rows])
        elif name and name not in _HIDDEN:
            yield from _blocks(element, word)


def _cells(row: Any, word: _Word) -> Iterator[str]:
    """Yield the cells of a row, with empty ones where one spans several columns or the row begins further right."""
    yield from [""] * _columns(row, "gridBefore", 0)
    for cell in row.iter():
        if local(cell) == "tc" and _owner(cell, "tr") is row:
            yield " ".join(block for block in _blocks(cell, word) if block)
            yield from [""] * (_columns(cell, "gridSpan", 1) - 1)


def _columns(element: Any, name: str, usual: int) -> int:
    """Return how many columns the properties of a row or a cell say."""
    said = (each for properties in element if local(properties) in ("trPr", "tcPr") for each in properties)
    value = next((attribute(each, "val") for each in said if local(each) == name), "")
    return min(int(value), _MOST_COLUMNS) if value.isdecimal() else usual


def _owner(element: Any, name: str) -> Any:
    return next((parent for parent in element.iterancestors() if local(parent) == name), None)


def _is_hidden(element: Any, top: Any) -> bool:
    for parent in element.iterancestors():
        if parent is top:
            return False
        if local(parent) in _HIDDEN or _is_invisible(parent):
            return True
    return False


def _is_invisible(element: Any) -> bool:
    """Tell whether it is a run that its writer has hidden."""
    if local(element) != "r":
        return False
    marks = (mark for properties in element if local(properties) == "rPr" for mark in properties)
    return any(local(mark) == "vanish" and attribute(mark, "val") not in ("0", "false", "off") for mark in marks)


def _paragraph(paragraph: Any, word: _Word) -> str:
    text = re.sub(r"[ \t]+", " ", _marked(paragraph, word)).strip()
    style, named, level = "", "", 0
    depth: int | None = None
    for element in _properties(paragraph):
        value = attribute(element, "val")
        if local(element) == "pStyle":
            style = value
        elif local(element) == "ilvl" and value.isdigit():
            depth = min(int(value), 8)
        elif local(element) == "numId":
            named = value
        elif local(element) == "outlineLvl" and value.isdigit() and int(value) < 6:
            level = int(value) + 1
    # Those without text are counted, too.
    number = word.numbers.next(style, named, depth) if named != "0" else None
    if not text:
        return ""
    level = level or word.levels.get(style, 0)
    if level:
        return " ".join(["#" * level, *([number] if number else []), *text.split()])
    if number:
        return f"{number} {text}"
    if number == "" or named not in ("", "0") or style.lower().startswith("list"):
        return f"{'  ' * (depth or 0)}- {text}"
    return f"\\{text}" if text.startswith(("#", ">")) else text


def _properties(paragraph: Any) -> Iterator[Any]:
    """Yield what is said of a paragraph now; what was said of it before a tracked change lies deeper."""
    for properties in paragraph:
        if local(properties) == "pPr":
            for element in properties:
                yield from element if local(element) == "numPr" else (element,)


def _marked(element: Any, word: _Word) -> str:
    """Return the text of a paragraph with its links as Markdown; text boxes inside stand for themselves."""
    pieces = []
    for child in element:
        name = local(child)
        if name in ("t", "m:t"):
            pieces.append(child.text or "")
        elif name in ("br", "cr"):
            pieces.append("\n")
        elif name in ("tab", "noBreakHyphen"):
            pieces.append("-" if name == "noBreakHyphen" else " ")
        elif name in ("footnoteReference", "endnoteReference"):
            pieces.append(_reference(name[0] + attribute(child, "id"), word))
        elif name == "hyperlink":
            pieces.append(_link(_marked(child, word), word.links.get(_relation(child), "")))
        elif name and name not in _HIDDEN and name != "txbxContent" and not _is_invisible(child):
            pieces.append(_marked(child, word))
    return "".join(pieces)


def _relation(element: Any) -> str:
    return attribute(element, "id")


def _link(text: str, target: str) -> str:
    is_web = target.startswith(("http://", "https://")) and not re.search(r"[\s()<>]", target)
    return f"[{text}]({target})" if is_web and text.strip() and text.strip() != target else text


def _reference(note: str, word: _Word) -> str:
    if note not in word.notes:
        return ""
    if note not in word.used:
        word.used.append(note)
    return f"[^{note}]"


def _plain(paragraph: Any) -> str:
    inner = [e for e in paragraph.iter() if local(e) == "t" and not _is_hidden(e, paragraph)]
    return "".join(e.text or "" for e in inner if _owner(e, "p") is paragraph)

"""OpenDocument: text, spreadsheets and presentations as Markdown."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from llm_engineering.infrastructure.parsers.formats import Unreadable
from llm_engineering.infrastructure.parsers.formats.archive import Archive, attribute, local
from llm_engineering.infrastructure.parsers.formats.hidden import left_out
from llm_engineering.infrastructure.parsers.formats.sheets import Sheets

# Repeated cells are nearly always blank ones up to the edge of the sheet: of others, these many are believed.
_MOST_REPEATED = 100
_HIDDEN = frozenset({"tracked-changes", "annotation", "forms", "sequence-decls", "page-number"})
# What may be hidden as a whole: the family of its style, and what to call it.
_SHEETS_AND_SLIDES = {"table": ("table", "sheets"), "page": ("drawing-page", "slides")}


def read_opendocument(archive: Archive) -> dict[str, Any]:
    """Return title and text.

    Raises:
        Unreadable: `encrypted`, `unparsable`, `empty`, `too_large`.
    """
    if "META-INF/manifest.xml" in archive and b"encryption-data" in archive.read("META-INF/manifest.xml"):
        raise Unreadable("encrypted", "it is encrypted; save it without a password")
    root = archive.xml("content.xml")
    body = next((element for element in root if local(element) == "body"), root)
    note = _drop_hidden(root)
    blocks = [block for block in _blocks(body) if block.strip()]
    if not blocks:
        raise Unreadable("empty", f"there is no text in it{f'; {note}' if note else ''}")
    said = {}
    if "meta.xml" in archive:
        said = {local(e): (e.text or "").strip() for e in archive.xml("meta.xml").iter()}
    title = said.get("title") or next((b.lstrip("# ") for b in blocks if b.startswith("#")), "")
    return {"text": "\n\n".join(blocks), "title": title, "author": said.get("creator", ""), "note": note}


def _drop_hidden(root: Any) -> str:
    """Take sheets and slides that are hidden out of the tree, and return a note if there were any."""
    hidden = {
        (attribute(style, "family"), attribute(style, "name"))
        for style in root.iter()
        if local(style) == "style"
        and any(attribute(each, "display") == "false" or attribute(each, "visibility") == "hidden" for each in style)
    }
    dropped: Counter[str] = Counter()
    for element in list(root.iter()):
        family, kind = _SHEETS_AND_SLIDES.get(local(element), ("", ""))
        if kind and (family, attribute(element, "style-name")) in hidden:
            element.getparent().remove(element)
            dropped[kind] += 1
    return "; ".join(left_out(count, kind) for kind, count in dropped.items())


def _blocks(parent: Any, depth: int = -1) -> Iterator[str]:
    for element in parent:
        name = local(element)
        if name == "h":
            level = attribute(element, "outline-level")
            yield f"{'#' * (min(6, int(level)) if level.isdigit() and int(level) else 1)} {_text(element)}"
            yield from _notes(element)
        elif name == "p":
            text = _text(element)
            yield f"{'  ' * depth}- {text}" if depth >= 0 and text else text
            yield from _notes(element)
        elif name == "list":
            yield from _blocks(element, min(depth + 1, 8))
        elif name == "table":
            sheet = attribute(element, "name") if _is_sheet(element) else ""
            if written := Sheets().table(_rows(element)):
                yield f"## {sheet}" if sheet else ""
                yield written
        elif name and name not in _HIDDEN:
            yield from _blocks(element, depth)


def _notes(element: Any) -> Iterator[str]:
    """Yield the foot and end notes of a paragraph, which stand in the middle of it in the file."""
    for note in element.iter():
        if local(note) == "note":
            yield f"{_mark(note)}: {' '.join(_text(part) for part in note if local(part) == 'note-body')}"


def _mark(note: Any) -> str:
    return f"[^{' '.join(_text(part) for part in note if local(part) == 'note-citation')}]"


def _is_sheet(element: Any) -> bool:
    return local(element.getparent()) == "spreadsheet"


def _rows(element: Any) -> Iterator[dict[int, str]]:
    """Yield the cells of each row that hold something, by column."""
    for row in element.iter():
        if local(row) != "table-row" or _table_of(row) is not element:
            continue
        cells: dict[int, str] = {}
        column = 0
        for cell in row:
            if local(cell) in ("table-cell", "covered-table-cell"):
                repeated = attribute(cell, "number-columns-repeated")
                times = int(repeated) if repeated.isdecimal() else 1
                if text := " ".join(_paragraphs(cell)):
                    cells |= dict.fromkeys(range(column, column + min(times, _MOST_REPEATED)), text)
                column += times
        yield cells


def _table_of(row: Any) -> Any:
    return next((parent for parent in row.iterancestors() if local(parent) == "table"), None)


def _paragraphs(cell: Any) -> Iterator[str]:
    """Yield the paragraphs of a cell, those of tables and lists in it too; text boxes stand inside of paragraphs."""
    for element in cell:
        if local(element) in ("p", "h"):
            yield _text(element)
            yield from _notes(element)
        elif local(element) and local(element) not in _HIDDEN:
            yield from _paragraphs(element)


def _text(element: Any) -> str:
    return " ".join(_pieces(element).split())


def _pieces(element: Any) -> str:
    pieces = [element.text or ""]
    for child in element:
        name = local(child)
        if name in ("s", "tab", "line-break"):
            pieces.append(" ")
        elif name == "note":
            pieces.append(_mark(child))
        elif name in ("p", "h"):  # of a text box, which stands in the middle of a paragraph
            pieces.append(f" {_pieces(child)} ")
        elif name and name not in _HIDDEN:
            pieces.append(_pieces(child))
        pieces.append(child.tail or "")
    return "".join(pieces)

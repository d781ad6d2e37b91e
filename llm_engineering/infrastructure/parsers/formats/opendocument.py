"""OpenDocument: text, spreadsheets and presentations as Markdown."""

from collections.abc import Iterator
from typing import Any

from llm_engineering.infrastructure.parsers.formats import Unreadable
from llm_engineering.infrastructure.parsers.formats.archive import Archive, attribute, local
from llm_engineering.infrastructure.parsers.markup import table

_MOST_CELLS = 500_000
# Repeated cells are nearly always blank ones up to the edge of the sheet: these many are believed.
_MOST_REPEATED = 100
_HIDDEN = frozenset({"tracked-changes", "annotation", "forms", "sequence-decls"})


def read_opendocument(archive: Archive) -> dict[str, Any]:
    """Return title and text.

    Raises:
        Unreadable: `encrypted`, `unparsable`, `empty`, `too_large`.
    """
    if "META-INF/manifest.xml" in archive and b"encryption-data" in archive.read("META-INF/manifest.xml"):
        raise Unreadable("encrypted", "it is encrypted; save it without a password")
    root = archive.xml("content.xml")
    body = next((element for element in root if local(element) == "body"), root)
    blocks = [block for block in _blocks(body) if block.strip()]
    if not blocks:
        raise Unreadable("empty", "there is no text in it")
    said = {}
    if "meta.xml" in archive:
        said = {local(e): (e.text or "").strip() for e in archive.xml("meta.xml").iter()}
    title = said.get("title") or next((b.lstrip("# ") for b in blocks if b.startswith("#")), "")
    return {"text": "\n\n".join(blocks), "title": title, "author": said.get("creator", "")}


def _blocks(parent: Any, depth: int = -1) -> Iterator[str]:
    for element in parent:
        name = local(element)
        if name == "h":
            level = attribute(element, "outline-level")
            yield f"{'#' * (min(6, int(level)) if level.isdigit() and int(level) else 1)} {_text(element)}"
        elif name == "p":
            text = _text(element)
            yield f"{'  ' * depth}- {text}" if depth >= 0 and text else text
        elif name == "list":
            yield from _blocks(element, min(depth + 1, 8))
        elif name == "table":
            sheet = attribute(element, "name") if _is_sheet(element) else ""
            if written := table(list(_rows(element))):
                yield f"## {sheet}\n\n{written}" if sheet else written
        elif name and name not in _HIDDEN:
            yield from _blocks(element, depth)


def _is_sheet(element: Any) -> bool:
    return local(element.getparent()) == "spreadsheet"


def _rows(element: Any) -> Iterator[list[str]]:
    cells = 0
    for row in element.iter():
        if local(row) != "table-row":
            continue
        values: list[str] = []
        for cell in row:
            if local(cell) in ("table-cell", "covered-table-cell"):
                repeated = attribute(cell, "number-columns-repeated")
                times = min(int(repeated), _MOST_REPEATED) if repeated.isdigit() else 1
                values += [" ".join(_text(p) for p in cell.iter() if local(p) == "p")] * times
        while values and not values[-1]:
            values.pop()
        cells += len(values)
        if cells > _MOST_CELLS:
            raise Unreadable("too_large", f"it has more than {_MOST_CELLS:,} cells; save it as CSV (kind: table)")
        if values:
            yield values


def _text(element: Any) -> str:
    return " ".join(_pieces(element).split())


def _pieces(element: Any) -> str:
    pieces = [element.text or ""]
    for child in element:
        name = local(child)
        if name in ("s", "tab", "line-break"):
            pieces.append(" ")
        elif name and name not in _HIDDEN:
            pieces.append(_pieces(child))
        pieces.append(child.tail or "")
    return "".join(pieces)

"""Office files: DOCX, PPTX, XLSX, OpenDocument and EPUB as Markdown, or as the HTML pages that an EPUB is made of."""

import posixpath
from collections.abc import Iterator
from typing import Any

from llm_engineering.infrastructure.parsers.formats import Unreadable
from llm_engineering.infrastructure.parsers.formats.archive import Archive, core_properties, local, targets
from llm_engineering.infrastructure.parsers.formats.docx import read_docx
from llm_engineering.infrastructure.parsers.formats.opendocument import read_opendocument
from llm_engineering.infrastructure.parsers.markup import table

_MOST_CELLS = 500_000


def read_office(raw: bytes, suffix: str) -> dict[str, Any]:
    """Return title, text and how it was read; of an EPUB its pages as `html`.

    Raises:
        Unreadable: `encrypted`, `unparsable`, `too_large`, `empty`, `missing_extra`.
    """
    archive = Archive(raw)
    if suffix in (".odt", ".ods", ".odp"):
        return read_opendocument(archive)
    if suffix == ".docx":
        return read_docx(archive)
    if suffix == ".pptx":
        return _pptx(archive)
    return _epub(archive) if suffix == ".epub" else _xlsx(archive, raw)


def _pptx(archive: Archive) -> dict[str, Any]:
    """Slides in their order: titles are headings, tables are tables, the notes of the speaker stand at the end."""
    main = "ppt/presentation.xml"
    rels = targets(archive, main)
    # A slide has two attributes named id; the one of the relationship is a text such as rId2.
    relation = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
    slides = [rels.get(e.get(relation, ""), "") for e in archive.xml(main).iter() if local(e) == "sldId"]
    blocks: list[str] = []
    for slide in slides:
        if slide in archive:
            blocks += _slide(archive.xml(slide), archive, slide)
    text = "\n\n".join(block for block in blocks if block)
    if not text:
        raise Unreadable("empty", f"none of its {len(slides)} slides has text")
    said = core_properties(archive)
    title = said.get("title") or next((b.lstrip("# ") for b in blocks if b.startswith("#")), "")
    return {"text": text, "title": title, "author": said.get("author", ""), "slides": len(slides)}


def _slide(root: Any, archive: Archive, part: str) -> Iterator[str]:
    for shape in root.iter():
        if local(shape) == "sp":
            holder = next((e for e in shape.iter() if local(e) == "ph"), None)
            kind = holder.get("type", "body") if holder is not None else ""
            if kind in ("sldNum", "ftr", "dt"):
                continue
            lines = list(_drawn_paragraphs(shape))
            if kind in ("title", "ctrTitle") and lines:
                yield f"## {' '.join(lines)}"
            elif kind in ("", "subTitle"):
                yield "\n\n".join(lines)
            else:
                yield "\n".join(f"- {line}" for line in lines)
        elif local(shape) == "tbl":
            rows = [e for e in shape.iter() if local(e) == "tr"]
            yield table([[" ".join(_drawn_paragraphs(c)) for c in row if local(c) == "tc"] for row in rows])
    for target in targets(archive, part).values():
        if "notesSlide" in target and target in archive:
            shapes = [e for e in archive.xml(target).iter() if local(e) == "sp"]
            bodies = [s for s in shapes if any(local(e) == "ph" and e.get("type") == "body" for e in s.iter())]
            notes = [line for body in bodies for line in _drawn_paragraphs(body)]
            yield "\n\n".join(["Notes:", *notes]) if notes else ""


def _drawn_paragraphs(element: Any) -> Iterator[str]:
    for paragraph in element.iter():
        if local(paragraph) == "p":
            pieces = [e.text or "" if local(e) == "t" else " " for e in paragraph.iter() if local(e) in ("t", "br")]
            if text := " ".join("".join(pieces).split()):
                yield text


def _xlsx(archive: Archive, raw: bytes) -> dict[str, Any]:
    """Each sheet is a heading and a table: values as they were last calculated, dates as dates."""
    from io import BytesIO

    try:
        from openpyxl import load_workbook
    except ModuleNotFoundError as error:
        raise Unreadable("missing_extra", "spreadsheets need the extra 'office'") from error
    for name in archive.names:  # the sizes are counted before anything is unpacked for good
        archive.read(name)
    try:
        book = load_workbook(BytesIO(raw), read_only=True, data_only=True, keep_links=False)
    except Exception as error:
        raise Unreadable("unparsable", f"the spreadsheet cannot be read: {type(error).__name__}: {error}") from error
    blocks, cells = [], 0
    for sheet in book.worksheets:
        sheet.reset_dimensions()  # what a file says of its own size is not believed
        rows = []
        for row in sheet.iter_rows(values_only=True):
            cells += len(row)
            if cells > _MOST_CELLS:
                raise Unreadable("too_large", f"it has more than {_MOST_CELLS:,} cells; save it as CSV (kind: table)")
            rows.append(["" if value is None else str(value) for value in row])
        if written := table(rows):
            blocks += [f"## {sheet.title}", written]
    if not blocks:
        raise Unreadable("empty", "none of its sheets holds a value")
    said = book.properties
    return {"text": "\n\n".join(blocks), "title": said.title or "", "author": said.creator or ""}


def _epub(archive: Archive) -> dict[str, Any]:
    """The pages of the book in reading order, as HTML."""
    container = archive.xml("META-INF/container.xml")
    package = next((e.get("full-path", "") for e in container.iter() if local(e) == "rootfile"), "")
    root = archive.xml(package)
    folder = posixpath.dirname(package)
    items = {e.get("id"): e.get("href", "") for e in root.iter() if local(e) == "item"}
    spine = [items.get(e.get("idref"), "") for e in root.iter() if local(e) == "itemref"]
    paths = [posixpath.normpath(posixpath.join(folder, href.partition("#")[0])) for href in spine if href]
    pages = [archive.read(path).decode("utf-8", "replace") for path in dict.fromkeys(paths) if path in archive]
    if not pages:
        raise Unreadable("empty", "the book has no pages")
    names = {local(e): (e.text or "").strip() for e in root.iter() if local(e) in ("title", "creator")}
    return {"html": pages, "title": names.get("title", ""), "author": names.get("creator", "")}

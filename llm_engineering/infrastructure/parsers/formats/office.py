"""Office files: DOCX, PPTX, XLSX, OpenDocument and EPUB as Markdown, or as the HTML pages that an EPUB is made of."""

from collections.abc import Iterator
from typing import Any

from llm_engineering.infrastructure.parsers.formats import BOOKS, OPEN_DOCUMENTS, SLIDES, WORD, Unreadable
from llm_engineering.infrastructure.parsers.formats.archive import (
    Archive,
    core_properties,
    local,
    main_part,
    targets,
)
from llm_engineering.infrastructure.parsers.formats.docx import read_docx
from llm_engineering.infrastructure.parsers.formats.epub import read_epub
from llm_engineering.infrastructure.parsers.formats.hidden import left_out
from llm_engineering.infrastructure.parsers.formats.opendocument import read_opendocument
from llm_engineering.infrastructure.parsers.formats.xlsx import read_xlsx
from llm_engineering.infrastructure.parsers.markup import table


def read_office(raw: bytes, suffix: str) -> dict[str, Any]:
    """Return title, text and how it was read; of an EPUB its pages as `html`.

    Raises:
        Unreadable: `encrypted`, `unparsable`, `too_large`, `empty`, `missing_extra`.
    """
    archive = Archive(raw)
    if suffix in OPEN_DOCUMENTS:
        return read_opendocument(archive)
    if suffix in WORD:
        return read_docx(archive)
    if suffix in SLIDES:
        return _pptx(archive)
    return read_epub(archive) if suffix in BOOKS else read_xlsx(archive, raw)


def _pptx(archive: Archive) -> dict[str, Any]:
    """Slides in their order: titles are headings, tables are tables, the notes of the speaker stand at the end."""
    main = main_part(archive, "ppt/presentation.xml")
    rels = targets(archive, main)
    slides = [rels.get(_relation(e), "") for e in archive.xml(main).iter() if local(e) == "sldId"]
    blocks: list[str] = []
    hidden = 0
    for slide in slides:
        if slide in archive:
            root = archive.xml(slide)
            is_hidden = root.get("show") in ("0", "false")
            hidden += is_hidden
            blocks += _slide(root, archive, slide) if not is_hidden else ()
    text = "\n\n".join(block for block in blocks if block)
    if not text:
        raise Unreadable("empty", f"none of its {len(slides)} slides shows text")
    said = core_properties(archive)
    title = said.get("title") or next((b.lstrip("# ") for b in blocks if b.startswith("#")), "")
    found = {"text": text, "title": title, "author": said.get("author", ""), "slides": len(slides)}
    return found | {"note": left_out(hidden, "slides")}


def _relation(slide: Any) -> str:
    """Return which relationship leads to a slide: of its two attributes named id the one with a name space."""
    return next((value for name, value in slide.attrib.items() if name.endswith("}id")), "")


def _slide(root: Any, archive: Archive, part: str) -> Iterator[str]:
    for shape in root.iter():
        if local(shape) == "sp" and not _is_second_form(shape):
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
        if "/diagrams/data" in target and target in archive:  # SmartArt
            yield "\n".join(f"- {line}" for line in _drawn_paragraphs(archive.xml(target)))
    for target in targets(archive, part).values():
        if "notesSlide" in target and target in archive:
            shapes = [e for e in archive.xml(target).iter() if local(e) == "sp"]
            bodies = [s for s in shapes if any(local(e) == "ph" and e.get("type") == "body" for e in s.iter())]
            notes = [line for body in bodies for line in _drawn_paragraphs(body)]
            yield "\n\n".join(["Notes:", *notes]) if notes else ""


def _is_second_form(shape: Any) -> bool:
    """Tell whether a shape is there for programs that cannot draw the one before it."""
    return any(local(parent) == "Fallback" for parent in shape.iterancestors())


def _drawn_paragraphs(element: Any) -> Iterator[str]:
    for paragraph in element.iter():
        if local(paragraph) == "p":
            pieces = [e.text or "" if local(e) == "t" else " " for e in paragraph.iter() if local(e) in ("t", "br")]
            if text := " ".join("".join(pieces).split()):
                yield text

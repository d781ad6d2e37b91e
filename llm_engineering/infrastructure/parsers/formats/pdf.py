"""PDF: text in paragraphs, headings where the type size tells them, code where the type is monospaced, page by page."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from llm_engineering.infrastructure.parsers.formats import Unreadable
from llm_engineering.infrastructure.parsers.formats.pdf_layout import Line, markdown, without_running_lines
from llm_engineering.infrastructure.parsers.visible import ink

_MOST_PAGES = 20_000
_LEAST_COVERAGE = 0.9
_PASSWORD = 4  # FPDF_ERR_PASSWORD
_LENGTH = re.compile(rb"/Linearized\b.{0,200}?/L\s+(\d+)", re.DOTALL)
_NO_TITLE = re.compile(
    r"(?i)\s*(untitled.*|microsoft (word|powerpoint) - .*|.*\.(docx?|indd|tex|dvi|pptx?|qxd|pdf))?\s*"
)
_MONO = re.compile(r"(?i)mono|courier|consol|typewriter|cmtt|inconsolata|menlo|fixed")


def read_pdf(raw: bytes, *, plain: bool = False) -> dict[str, Any]:
    """Return title, pages (Markdown each; empty where there is no text), and how they were read.

    With `plain` no layout is looked at: the text of the pages as it stands, as after a failure of the layout.

    Raises:
        Unreadable: `encrypted`, `truncated`, `unparsable`, `empty` if no page has text.
    """
    import pypdfium2 as pdfium

    if b"%PDF-" not in raw[:1024]:
        raise Unreadable("unparsable", "it is no PDF: the mark %PDF- is missing")
    _refuse_truncated(raw)
    try:
        pdf = pdfium.PdfDocument(raw)
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) == _PASSWORD or "password" in str(error).lower():
            raise Unreadable("encrypted", "it is encrypted; save it without a password") from error
        raise Unreadable("unparsable", f"it is no readable PDF: {error}") from error
    with pdf:
        count = len(pdf)
        if count > _MOST_PAGES:
            raise Unreadable("too_large", f"it has {count:,} pages, more than {_MOST_PAGES:,}")
        seen, laid_out = _pages(pdf, plain=plain)
        metadata = pdf.get_metadata_dict(skip_empty=True)
    if not any(text.strip() for text in seen):
        raise Unreadable("empty", f"none of its {count} pages has text: scanned pages need OCR first (ocrmypdf)")
    pages, title, note = _chosen(seen, laid_out)
    said = str(metadata.get("Title", "")).strip()
    return {
        "pages": pages,
        "title": title if _NO_TITLE.fullmatch(said) else said,
        "author": str(metadata.get("Author", "")).strip(),
        "coverage": round(min(1.0, _ink(pages) / max(1, _ink(seen))), 2),
        "extraction": "visible" if note else "layout",
        "note": note,
    }


def _refuse_truncated(raw: bytes) -> None:
    """Refuse a file whose end is missing: PDFium would repair it, and the lost pages would be missed by nobody."""
    declared = _LENGTH.search(raw[:1024])
    if b"%%EOF" not in raw[-2048:] or (declared and int(declared.group(1)) > len(raw)):
        raise Unreadable(
            "truncated", f"it is cut off after {len(raw):,} bytes: the end mark is missing; fetch it again"
        )


def _pages(pdf: Any, *, plain: bool) -> tuple[list[str], list[list[Line]]]:
    """Return the text of each page as it is seen, and its lines with their places."""
    import pypdfium2 as pdfium

    seen: list[str] = []
    laid_out: list[list[Line]] = []
    for number in range(len(pdf)):
        try:
            page = pdf[number]
            textpage = page.get_textpage()
        except pdfium.PdfiumError as error:
            raise Unreadable("unparsable", f"page {number + 1} of {len(pdf)} cannot be read: {error}") from error
        text = textpage.get_text_range()
        seen.append(_tidied(text))
        laid_out.append([] if plain else list(_lines(textpage, text)))
        textpage.close()
        page.close()
    return seen, laid_out


def _chosen(seen: Sequence[str], laid_out: Sequence[Sequence[Line]]) -> tuple[list[str], str, str]:
    """Return the pages, a title and a note: as laid out, if that lost nothing, else as seen."""
    kept, running = without_running_lines(laid_out)
    pages, title = markdown(kept)
    lost = _ink(seen) - running - _ink(pages)
    if any(laid_out) and lost <= (1 - _LEAST_COVERAGE) * _ink(seen):
        return pages, title, ""
    first = next((line.strip() for text in seen for line in text.split("\n") if line.strip()), "")
    return list(seen), first[:200], "the layout could not be told; this is the text of the pages as it stands"


def _ink(pages: Sequence[str]) -> int:
    return sum(map(ink, pages))


def _tidied(text: str) -> str:
    # U+FFFE (or U+0002) is how PDFium marks the hyphen of a divided word.
    return re.sub(r"[\ufffe\x02]\s*", "", text.replace("\r\n", "\n").replace("\r", "\n")).replace("\x00", "")


def _lines(textpage: Any, text: str) -> Iterator[Line]:
    if textpage.count_chars() != len(text):  # characters outside the basic plane: places cannot be told
        return
    start = 0
    for part in text.split("\n"):
        stripped = part.strip()
        if stripped:
            first = start + part.index(stripped[0])
            yield _line(textpage, stripped, first)
        start += len(part) + 1


def _line(textpage: Any, text: str, first: int) -> Line:
    import ctypes

    from pypdfium2 import raw as pdfium

    box, flags, name = pdfium.FS_RECTF(), ctypes.c_int(), ctypes.create_string_buffer(128)
    boxes, mono = [], True
    solid = [index for index, character in enumerate(text) if not character.isspace()]
    for index in {solid[0], solid[len(solid) // 2], solid[-1]}:
        if pdfium.FPDFText_GetLooseCharBox(textpage, first + index, ctypes.byref(box)):
            boxes.append((box.top - box.bottom, box.top, box.bottom, box.left, box.right))
        pdfium.FPDFText_GetFontInfo(textpage, first + index, name, 128, ctypes.byref(flags))
        mono = mono and _MONO.search(name.value.decode("utf-8", "replace")) is not None
    if not boxes:
        return Line(text)
    boxes.sort()
    size, top, bottom, *_ = boxes[len(boxes) // 2]
    pdfium.FPDFText_GetLooseCharBox(textpage, first + solid[0], ctypes.byref(box))
    return Line(text, size, top, bottom, box.left, box.right - box.left, mono)

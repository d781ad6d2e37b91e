"""PDF: text in paragraphs, headings where the type size tells them, code where the type is monospaced, page by page."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from llm_engineering.infrastructure.parsers.formats import Unreadable
from llm_engineering.infrastructure.parsers.formats.pdf_columns import LEAST_ROWS, in_reading_order
from llm_engineering.infrastructure.parsers.formats.pdf_direction import as_read, is_from_right
from llm_engineering.infrastructure.parsers.formats.pdf_layout import Line, markdown, without_running_lines
from llm_engineering.infrastructure.parsers.formats.pdf_letters import Letters
from llm_engineering.infrastructure.parsers.visible import ink

_MOST_PAGES = 20_000
_LEAST_COVERAGE = 0.9
_PASSWORD = 4  # FPDF_ERR_PASSWORD
_LENGTH = re.compile(rb"/Linearized\b.{0,200}?/L\s+(\d+)", re.DOTALL)
_NO_NAME = re.compile(
    r"(?i)\s*(untitled.*|\(anonymous\)|microsoft (word|powerpoint) - .*|.*\.(docx?|indd|tex|dvi|pptx?|qxd|pdf))?\s*"
)
_SAMPLE = 50  # characters of a page that are asked for their angle
_DIVIDED = re.compile("[\ufffe\x02]")  # how PDFium marks the hyphen of a divided word
_BLANK = re.compile(r"\s+")
_SHOWN = re.compile(r"\S(?:[^\n]*\S)?")
_ROW = re.compile("(?=\\S)(?:[^\ufffe\x02]*[\ufffe\x02]|[^\ufffe\x02]+)")
_LONG, _SAMPLED_LINES = 30, 6  # characters of a line that may hold two columns; lines that are looked at first
_WIDE = 0.8  # of the height of the type: wider than a blank of justified text
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
    said, author = (str(metadata.get(name, "")).strip() for name in ("Title", "Author"))
    return {
        "pages": pages,
        "title": title if _NO_NAME.fullmatch(said) else said,
        "author": "" if _NO_NAME.fullmatch(author) else author,
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
    has_form = pdf.get_formtype() in (pdfium.raw.FORMTYPE_ACRO_FORM, pdfium.raw.FORMTYPE_XFA_FOREGROUND)
    if has_form:
        pdf.init_forms()
    for number in range(len(pdf)):
        try:
            page = _flat(pdf, number) if has_form else pdf[number]
            textpage, quarters = _upright(page)
        except pdfium.PdfiumError as error:
            raise Unreadable("unparsable", f"page {number + 1} of {len(pdf)} cannot be read: {error}") from error
        text = textpage.get_text_range()
        seen.append(_tidied(text))
        laid_out.append([] if plain else _lines(Letters.of(textpage, text, quarters), text))
        textpage.close()
        page.close()
    return seen, laid_out


def _flat(pdf: Any, number: int) -> Any:
    """Return a page with what was filled into its form, which stands beside its text in the file."""
    page = pdf[number]
    page.flatten()  # in memory
    page.close()
    return pdf[number]


def _upright(page: Any) -> tuple[Any, int]:
    """Return the text page as somebody reads it who turns the page, and by how many quarters the text is turned.

    PDFium takes the lines of a page whose text is not upright from the bottom to the top, or one letter each.
    """
    from pypdfium2 import raw as pdfium

    textpage = page.get_textpage()
    count = textpage.count_chars()
    sample = range(0, count, max(1, count // _SAMPLE))
    angles = Counter(round(pdfium.FPDFText_GetCharAngle(textpage, index) / (math.pi / 2)) % 4 for index in sample)
    quarters = -angles.most_common(1)[0][0] % 4 if angles else 0
    if count and page.get_rotation() != quarters * 90:
        textpage.close()
        page.set_rotation(quarters * 90)  # of what is in memory
        textpage = page.get_textpage()
    return textpage, quarters


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
    return re.sub(rf"{_DIVIDED.pattern}\s*", "", text.replace("\r\n", "\n").replace("\r", "\n")).replace("\x00", "")


def _lines(letters: Letters, text: str) -> list[Line]:
    places = [(found.start(), found.group()) for found in _SHOWN.finditer(text)]
    rows = _rows(letters, places)
    columns = in_reading_order(rows) if rows else None
    return columns or [_line(letters, shown, first) for first, shown in places]


def _rows(letters: Letters, places: Sequence[tuple[int, str]]) -> list[list[Line]]:
    """Return the pieces of each line, divided at wide blanks; nothing if hardly any line has a wide blank."""
    long = [place for place in places if len(place[1]) > _LONG]
    sample = long[:: max(1, len(long) // _SAMPLED_LINES)]
    divided = sum(len(_pieces(letters, *place)) > 1 for place in sample)
    if len(long) < LEAST_ROWS // 2 or divided < len(sample) / 2:
        return []
    # PDFium ends no line after a divided word, so what follows it is a row of its own.
    ends = ((first + found.start(), found.group()) for first, shown in places for found in _ROW.finditer(shown))
    return [[_line(letters, piece, start) for start, piece in _pieces(letters, *end)] for end in ends]


def _pieces(letters: Letters, first: int, shown: str) -> list[tuple[int, str]]:
    """Return the pieces of a line that stand apart by more than a wide blank, with their offsets."""
    pieces, start = [], 0
    for blank in _BLANK.finditer(shown):
        before = letters.box(first + blank.start() - 1)
        after = letters.box(first + blank.end())
        if before and after and after.left - before.right > _WIDE * (after.top - after.bottom):
            pieces.append((first + start, shown[start : blank.start()]))
            start = blank.end()
    return [*pieces, (first + start, shown[start:])]


def _line(letters: Letters, text: str, first: int) -> Line:
    shown = _as_read(letters, text, first) if is_from_right(text) else text
    boxes, mono = [], True
    solid = [index for index, character in enumerate(text) if not character.isspace()]
    # PDFium ends no line after a divided word: only what stands at the end is for the paragraph to join.
    whole = _DIVIDED.sub("", shown[:-1]) + shown[-1]
    for index in {solid[0], solid[len(solid) // 2], solid[-1]}:
        if (box := letters.box(first + index)) is not None:
            boxes.append((box.top - box.bottom, box.top, box.bottom))
        mono = mono and _MONO.search(letters.font(first + index)) is not None
    start, end = (letters.box(first + solid[place]) for place in (0, -1))
    if not boxes or start is None:
        return Line(whole)
    boxes.sort()
    size, top, bottom = boxes[len(boxes) // 2]
    return Line(whole, size, top, bottom, start.left, end.right if end else 0.0, start.right - start.left, mono)


def _as_read(letters: Letters, text: str, first: int) -> str:
    boxes = (letters.box(first + index) for index in range(len(text)))
    return as_read(text, [box.left if box else None for box in boxes])

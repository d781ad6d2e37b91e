import json
import os
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import pytest
from source_files import FISH, OFFICE, W, docx, mail, mbox, needs_pdf, paragraph, pdf, zipped

from llm_engineering.domain.documents import Document, Failure, Item, NotModified, Rejection
from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.fetching import Fetching
from llm_engineering.infrastructure.parsers import documents as parser
from llm_engineering.infrastructure.parsers.formats import Unreadable
from llm_engineering.infrastructure.parsers.formats.office import read_office
from llm_engineering.infrastructure.parsers.formats.pdf import read_pdf
from llm_engineering.infrastructure.parsers.formats.pdf_columns import in_reading_order
from llm_engineering.infrastructure.parsers.formats.pdf_layout import Line
from llm_engineering.infrastructure.sources import Files, Mailbox, Pdf, SourceContext

REAL_PDF = Path("/usr/share/doc/shared-mime-info/shared-mime-info-spec.pdf")
BODY = [("The cod is a fish of cold seas, and it is", 11), ("eaten in many countries.", 11)]


def read(tmp_path: Path, name: str, raw: bytes, **fetching: float) -> Item:
    path = tmp_path / name
    path.write_bytes(raw)
    context = SourceContext(tmp_path, Fetching(**fetching))
    try:
        (item,) = Files(root=path).open(context).read()
    finally:
        context.close()
    return item


def document(item: Item) -> Document:
    assert isinstance(item, Document), item
    return item


def reason(item: Item) -> str:
    assert isinstance(item, Rejection), item
    assert len(item.detail) > 10
    return item.reason


def test_a_pdf_has_headings_where_the_type_is_larger_and_paragraphs_in_one_piece(tmp_path: Path) -> None:
    needs_pdf()
    raw = pdf([("All about cod", 24), ("", 20), *BODY, ("", 12), ("Where it lives", 16), ("", 10), ("In the sea.", 11)])
    item = document(read(tmp_path, "fish.pdf", raw))
    assert item.text == (
        "# All about cod\n\nThe cod is a fish of cold seas, and it is eaten in many countries.\n\n"
        "## Where it lives\n\nIn the sea."
    )
    assert (item.title, item.metadata["pages"], item.format) == ("All about cod", 1, "markdown")
    assert item.provenance["coverage"] == 1.0


@pytest.mark.parametrize("text_angle", [0, 90, 180, 270])
@pytest.mark.parametrize("page_angle", [0, 90, 180, 270])
def test_a_turned_page_reads_as_an_upright_one(text_angle: int, page_angle: int) -> None:
    needs_pdf()
    page = [("All about cod", 24), ("", 20), *BODY, ("", 12), ("Where it lives", 16), ("", 10), ("In the sea.", 11)]
    assert read_pdf(pdf(page, text_angle=text_angle, page_angle=page_angle))["pages"] == [
        "# All about cod\n\nThe cod is a fish of cold seas, and it is eaten in many countries.\n\n"
        "## Where it lives\n\nIn the sea."
    ]


def test_a_word_that_is_divided_at_the_end_of_a_line_is_one_word() -> None:
    needs_pdf()
    raw = pdf([("The cod is a fish of the north-", 11), ("ern seas, and of the docu-", 11), ("mentation.", 11)])
    (text,) = read_pdf(raw)["pages"]
    assert text == "The cod is a fish of the northern seas, and of the documentation."


COLUMNS = (
    ("the cod is a fish of cold seas that is", "it is dried in the wind on racks of the"),
    ("eaten in many countries, and it has been", "villages, where it hangs for three months"),
    ("caught for a thousand years by people of", "until it is hard; and the fish is carried"),
    ("the northern coasts, who follow the swar-", "to the towns in the south, where the mer-"),
    ("ming fish along the islands every winter,", "chants weigh it and pay for it by its co-"),
    ("in small boats and in all weathers, when", "lour, its length and its thickness before"),
    ("the nights are long and the ice is coming", "they sell it in the markets of the other"),
    ("down the fjords into the open sea again.", "countries, far away from the cold water."),
)


def test_columns_that_are_drawn_row_by_row_are_read_one_after_the_other() -> None:
    needs_pdf()
    rows = [line for left, right in COLUMNS for line in ((left, 11), (right, 11, 310))]
    (text,) = read_pdf(pdf([("All about cod", 24), ("", 20), *rows, ("", 40), ("The end of this page.", 11)]))["pages"]
    one_after_the_other = " ".join(line for column in zip(*COLUMNS, strict=True) for line in column)
    assert " ".join(text.split()) == f"# All about cod {one_after_the_other} The end of this page.".replace("- ", "")


@pytest.mark.parametrize(
    "rows",
    [
        [(f"Cod {n} of the cold northern seas", f"{n} kg") for n in range(12)],  # a table
        [("The cod is a fish of the cold seas.", "A fish of the seas that are cold.")] * 12,  # of whole sentences
        [(f"cod {n}", f"the fish of cold seas number {n}, as it is eaten") for n in range(12)],  # a glossary
        [COLUMNS[n][0].split(" ", 3)[::3] for n in range(8)],  # blanks in a text that are wide by accident
        COLUMNS[:4],  # too few lines to tell
    ],
)
def test_tables_are_read_row_by_row(rows: list[tuple[str, str]]) -> None:
    needs_pdf()
    (text,) = read_pdf(pdf([line for left, right in rows for line in ((left, 11), (right, 11, 310))]))["pages"]
    words = " ".join(f"{left} {right}" for left, right in rows).replace("- ", "")
    assert " ".join(text.split()).replace("- ", "").replace("-", "") == words.replace("-", "")


def test_rows_that_stand_right_of_where_other_rows_are_divided_are_no_columns() -> None:
    def pair(row: int, *places: int) -> list[Line]:
        return [Line("some words", 10, 700 - 12 * row, 690 - 12 * row, left, left + 60) for left in places]

    rows = [*(pair(row, 50, 150) for row in range(12)), *(pair(row, 300, 400) for row in range(20, 30))]
    assert in_reading_order(rows) is None


def test_lines_that_run_through_all_pages_are_left_out(tmp_path: Path) -> None:
    needs_pdf()
    pages = [
        [("The book of fish", 9), ("", 20), *BODY, (f"Page text {n}.", 11), ("", 300), (str(n), 9)] for n in range(6)
    ]
    text = document(read(tmp_path, "fish.pdf", pdf(*pages))).text
    assert "book of fish" not in text
    assert all(f"Page text {n}." in text for n in range(6))


_FISH_PAGES = [[(f"A {fish} is a fish.", 11), (f"Of {fish} there are many.", 11)] for fish in "abcdefghijkl"]


@pytest.mark.parametrize("line", [("Chapter {}", 18), ("The whole sum is {} euro.", 11)])
@pytest.mark.parametrize("step", [1, 7])
def test_a_line_with_another_number_on_each_page_is_left_out_only_as_a_page_number(
    line: tuple[str, int], step: int
) -> None:
    needs_pdf()
    text, size = line
    pages = [
        [(text.format(1 + step * n), size), *page, (f"Page {n + 1} of 12", 9)] for n, page in enumerate(_FISH_PAGES)
    ]
    found = read_pdf(pdf(*pages))["pages"]
    assert not any("of 12" in page for page in found)
    if step > 1 or size > 11:
        assert all(text.format(1 + step * n) in page for n, page in enumerate(found))


def test_a_page_with_an_emoji_is_laid_out_like_the_others_and_not_lost(tmp_path: Path) -> None:
    needs_pdf()
    pages = [[(f"Fish {page[0][0]}", 24), *page] for page in _FISH_PAGES]
    pages[7][-1] = ("~ is what ~ says of it.", 11)
    (tmp_path / "fish.pdf").write_bytes(pdf(*pages, meanings={"~": "\U0001f600"}))
    context = SourceContext(tmp_path)
    found = [document(item) for item in Pdf(root=tmp_path).open(context).read()]
    context.close()
    assert [item.key for item in found] == [f"page {n}" for n in range(1, 13)]
    smile = "\U0001f600"
    assert found[7].text == f"# Fish A h is a fish.\n\nA h is a fish. {smile} is what {smile} says of it."


def test_what_is_filled_into_the_form_of_a_pdf_is_read() -> None:
    needs_pdf()
    (text,) = read_pdf(pdf([("Name:", 11)], filled="Ada Lovelace"))["pages"]
    assert "Name:" in text
    assert "Ada Lovelace" in text


def test_code_in_a_pdf_stays_code(tmp_path: Path) -> None:
    needs_pdf()
    raw = pdf([("def cod():", 10), ("return 1", 10)], font="Courier")
    assert document(read(tmp_path, "code.pdf", raw)).text == "```\ndef cod():\nreturn 1\n```"


@pytest.mark.skipif(not REAL_PDF.is_file(), reason=f"{REAL_PDF} is not installed")
def test_a_real_pdf_is_read_nearly_whole(tmp_path: Path) -> None:
    needs_pdf()
    item = document(read(tmp_path, "spec.pdf", REAL_PDF.read_bytes()))
    assert item.title == "Shared MIME-info Database"
    assert "\n\n#### 1.2. What is this spec?\n\nMany programs and desktops use the MIME system[MIME]" in item.text
    assert item.provenance["extraction"] == "layout"
    assert item.provenance["coverage"] > 0.95


def test_bad_pdfs_are_rejected_with_their_reason(tmp_path: Path) -> None:
    needs_pdf()
    good = pdf(*[BODY] * 20)
    assert reason(read(tmp_path, "a.pdf", pdf(BODY, encrypted=True))) == "encrypted"
    assert reason(read(tmp_path, "b.pdf", good[: len(good) // 2])) == "truncated"
    assert reason(read(tmp_path, "c.pdf", b"no pdf at all")) == "unparsable"
    assert reason(read(tmp_path, "d.pdf", b"%PDF-1.4\nnonsense\n%%EOF")) == "unparsable"
    empty = read(tmp_path, "e.pdf", pdf([("", 11)]))
    assert reason(empty) == "empty"
    assert "OCR" in empty.detail  # type: ignore[union-attr]


def test_a_title_or_an_author_that_a_program_has_made_up_is_none() -> None:
    needs_pdf()
    assert read_pdf(pdf([("All about cod", 24), ("", 20), *BODY], title="\\(anonymous\\)"))["title"] == "All about cod"


def test_a_missing_extra_says_what_to_type_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parser, "find_spec", lambda name: None)
    (tmp_path / "a.pdf").write_bytes(pdf(BODY))
    (tmp_path / "b.md").write_text("# Eel")
    context = SourceContext(tmp_path)
    missing, good = Files(root=tmp_path).open(context).read()
    context.close()
    assert isinstance(missing, Failure)  # of this installation: the next run tries again, and what is stored stays
    assert missing.reason == "missing_extra"
    assert "poetry install --extras pdf" in missing.detail
    assert document(good).text == "# Eel"


def test_pages_of_a_pdf_are_documents_and_unchanged_ones_are_not_read_again(tmp_path: Path) -> None:
    needs_pdf()
    (tmp_path / "fish.pdf").write_bytes(pdf(BODY, [("", 11)], [("Eel.", 11)], title="Fish"))
    context = SourceContext(tmp_path)
    items = [document(item) for item in Pdf(root=tmp_path).open(context).read()]
    context.close()
    assert [(item.key, item.metadata["page"], item.metadata["pages"]) for item in items] == [
        ("page 1", 1, 3),
        ("page 3", 3, 3),
    ]
    stored = {item.id: item.provenance for item in items}
    again = SourceContext(tmp_path, known=stored.get)
    assert [type(item) for item in Pdf(root=tmp_path).open(again).read()] == [NotModified, NotModified]
    (tmp_path / "fish.pdf").write_bytes(b"%PDF-1.4 cut o")
    assert [item.document_id for item in Pdf(root=tmp_path).open(again).read()] == list(stored)  # type: ignore[union-attr]
    again.close()


def test_a_word_file_keeps_headings_lists_tables_links_and_notes(tmp_path: Path) -> None:
    cell = "<w:tc>{}</w:tc>".format
    row = "<w:tr>{}</w:tr>".format
    body = (
        paragraph("All about cod", "Heading1")
        + '<w:p><w:pPr><w:numPr><w:ilvl w:val="1"/><w:numId w:val="1"/></w:numPr></w:pPr>'
        + "<w:r><w:t>an item</w:t></w:r></w:p>"
        + f"<w:tbl>{row(cell(paragraph('fish')) + cell(paragraph('kg')))}"
        + f"{row(cell(paragraph('cod')) + cell(paragraph('3')))}</w:tbl>"
        + '<w:p><w:r><w:t xml:space="preserve">See </w:t></w:r>'
        + '<w:hyperlink r:id="r1"><w:r><w:t>here</w:t></w:r></w:hyperlink>'
        + "<w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r>"
        + "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:ins><w:r><w:t>!</w:t></w:r></w:ins>"
        + '<w:r><w:footnoteReference w:id="2"/></w:r></w:p>'
    )
    namespace = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    notes = f'<w:footnotes {namespace}><w:footnote w:id="2">{paragraph("A note.")}</w:footnote></w:footnotes>'
    relations = (
        '<Relationships><Relationship Id="r1" Target="https://example.org/cod" TargetMode="External"/></Relationships>'
    )
    raw = docx(body, footnotes=notes)
    raw = zipped({**unzipped(raw), "word/_rels/document.xml.rels": relations})
    item = document(read(tmp_path, "fish.docx", raw))
    assert item.text == (
        "# All about cod\n\n  - an item\n\n| fish | kg |\n| --- | --- |\n| cod | 3 |\n\n"
        "See [here](https://example.org/cod)![^f2]\n\n[^f2]: A note."
    )
    assert item.title == "All about cod"


def unzipped(raw: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(raw)) as file:
        return {name: file.read(name) for name in file.namelist()}


def test_office_files_that_mean_harm_are_rejected(tmp_path: Path) -> None:
    bomb = zipped({"word/document.xml": b"<a>" + b" " * 100_000_000 + b"</a>"})
    assert len(bomb) < 200_000
    assert reason(read(tmp_path, "bomb.docx", bomb)) == "too_large"
    laughs = '<!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><d>&b;</d>'
    assert reason(read(tmp_path, "laughs.docx", zipped({"word/document.xml": laughs}))) == "unparsable"
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret of this machine")
    outside = f'<!DOCTYPE d [<!ENTITY a SYSTEM "{secret.as_uri()}">]><d>&a;</d>'
    assert reason(read(tmp_path, "outside.docx", zipped({"word/document.xml": outside}))) == "unparsable"
    assert reason(read(tmp_path, "old.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 600)) == "encrypted"
    whole = docx(paragraph("Cod"))
    assert reason(read(tmp_path, "cut.docx", whole[: len(whole) // 2])) == "unparsable"
    assert reason(read(tmp_path, "empty.docx", docx(paragraph("")))) == "empty"
    deep = "<w:p>" * 200_000
    assert reason(read(tmp_path, "deep.docx", docx(deep))) == "unparsable"


def test_slides_sheets_open_documents_and_books_are_read(tmp_path: Path) -> None:
    office = 'xmlns:a="A" xmlns:p="P" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
    shape = '<p:sp><p:nvPr><p:ph type="{}"/></p:nvPr><a:p><a:r><a:t>{}</a:t></a:r></a:p></p:sp>'.format
    relation = '<R Id="{}" Target="slides/{}.xml"/>'.format
    slides = zipped(
        {
            "ppt/presentation.xml": f'<p:x {office}><p:sldId id="256" r:id="r2"/><p:sldId id="257" r:id="r1"/></p:x>',
            "ppt/_rels/presentation.xml.rels": f"<R>{relation('r1', 'a')}{relation('r2', 'b')}</R>",
            "ppt/slides/a.xml": f"<p:s {office}>{shape('title', 'Eel')}{shape('body', 'long')}</p:s>",
            "ppt/slides/b.xml": f"<p:s {office}>{shape('title', 'Cod')}{shape('sldNum', '1')}</p:s>",
        }
    )
    assert document(read(tmp_path, "fish.pptx", slides)).text == "## Cod\n\n## Eel\n\n- long"
    content = (
        '<o:d xmlns:o="O" xmlns:t="T"><o:body><t:h t:outline-level="2">Cod</t:h><t:p>A <t:span>big</t:span> fish.</t:p>'
        "<t:list><t:list-item><t:p>one</t:p></t:list-item></t:list>"
        "<t:p>Eaten<t:note><t:note-citation>1</t:note-citation><t:note-body><t:p>By owls.</t:p></t:note-body></t:note> "
        "fresh.</t:p><t:p>Big<t:frame><t:box><t:p>in a box</t:p></t:box></t:frame></t:p></o:body></o:d>"
    )
    text = document(read(tmp_path, "fish.odt", zipped({"content.xml": content}))).text
    assert text == "## Cod\n\nA big fish.\n\n- one\n\nEaten[^1] fresh.\n\n[^1]: By owls.\n\nBig in a box"


def test_a_book_is_read_in_its_order_and_one_that_is_protected_is_not(tmp_path: Path) -> None:
    items = '<item id="a" href="the%20cod.xhtml"/><item id="b" href="b.xhtml"/><item id="c" href="c.xhtml"/>'
    spine = '<itemref idref="b"/><itemref idref="a"/><itemref idref="c"/>'
    book = {
        "META-INF/container.xml": '<c><rootfile full-path="in/book.opf"/></c>',
        "META-INF/encryption.xml": '<e><CipherReference URI="in/font.otf"/></e>',
        "in/book.opf": f"<p><m><title>Fish</title></m>{items}{spine}</p>",
        "in/b.xhtml": '<?xml version="1.0" encoding="utf-16"?><p>Größe</p>'.encode("utf-16"),
        "in/the cod.xhtml": "<html><body><h1>Cod</h1><p>A big fish.</p></body></html>",
    }
    item = document(read(tmp_path, "fish.epub", zipped(book)))
    assert (item.title, item.text) == ("Fish", "Größe\n\n# Cod\n\nA big fish.")
    assert item.provenance["note"] == "1 of its 3 pages are named and not there"
    book["META-INF/encryption.xml"] = '<e><CipherReference URI="in/the%20cod.xhtml"/></e>'
    assert reason(read(tmp_path, "secret.epub", zipped(book))) == "encrypted"


def test_a_spreadsheet_is_a_table_per_sheet(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="needs the extra 'office'; type: poetry install --extras office")
    book = openpyxl.Workbook()
    book.active.title = "Fish"
    book.active.append(["name", "kg"])
    book.active.append(["cod", 3.5])
    out = BytesIO()
    book.save(out)
    assert document(read(tmp_path, "fish.xlsx", out.getvalue())).text == (
        "## Fish\n\n| name | kg |\n| --- | --- |\n| cod | 3.5 |"
    )


def test_cells_far_away_cost_neither_columns_nor_rows(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="needs the extra 'office'; type: poetry install --extras office")
    from openpyxl.styles import Font

    book = openpyxl.Workbook()
    for place, value in {"B2": "name", "D2": "kg", "B4": "cod", "D4": 3, "XFD1048576": "stray"}.items():
        book.active[place] = value
    for row in range(1, 100):  # blank, but bold: each row has 16,384 columns
        book.active.cell(row, 16_384).font = Font(bold=True)
    diagonal = book.create_sheet("Diagonal")
    for name in (1, 2, 1500):
        diagonal.cell(name, name * 10, "x")
    out = BytesIO()
    book.save(out)
    assert document(read(tmp_path, "far.xlsx", out.getvalue())).text == (
        "## Sheet\n\n| name | kg |  |\n| --- | --- | --- |\n| cod | 3 |  |\n|  |  | stray |\n\n"
        "## Diagonal\n\n| x |  |  |\n| --- | --- | --- |\n|  | x |  |\n|  |  | x |"
    )
    for name in range(1, 1100):
        diagonal.cell(name, name, "x")
    book.save(out)
    assert reason(read(tmp_path, "diagonal.xlsx", out.getvalue())) == "too_large"
    far = '<t:table-cell t:number-columns-repeated="16000"/>'
    cell = "<t:table-cell><t:p>{}</t:p></t:table-cell>".format
    row = "<t:table-row>{}</t:table-row>".format
    sheet = f'<t:table t:name="Fish">{row(cell("name") + far + cell("kg"))}{row(cell("cod") + far + cell(3))}</t:table>'
    content = f'<o:d xmlns:o="O" xmlns:t="T"><o:body><o:spreadsheet>{sheet}</o:spreadsheet></o:body></o:d>'
    text = document(read(tmp_path, "far.ods", zipped({"content.xml": content}))).text
    assert text == "## Fish\n\n| name | kg |\n| --- | --- |\n| cod | 3 |"


def test_a_mistake_where_no_text_is_costs_no_sheet_and_others_say_where_they_are() -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="needs the extra 'office'; type: poetry install --extras office")
    book = openpyxl.Workbook()
    book.active.append(["cod", 3])
    book.create_chartsheet("Chart")
    book.properties.creator = "Ann"
    out = BytesIO()
    book.save(out)
    parts = unzipped(out.getvalue())
    core = parts["docProps/core.xml"].replace(b"T", b"?")  # dates that are none
    found = read_office(zipped({**parts, "docProps/core.xml": core}), ".xlsx")
    assert (found["text"], found["author"]) == ("## Sheet\n\n| cod | 3 |\n| --- | --- |", "Ann")
    sheet, main = parts["xl/worksheets/sheet1.xml"], parts["xl/workbook.xml"]
    strict = main.replace(b"schemas.openxmlformats.org/spreadsheetml/2006", b"purl.oclc.org/ooxml/spreadsheetml")
    for damage, said in (
        ({"xl/worksheets/sheet1.xml": sheet.replace(b'r="A1"', b'r="A"')}, "the sheet 'Sheet' is damaged"),
        ({"xl/worksheets/sheet1.xml": sheet[:-40]}, "the sheet 'Sheet' is damaged"),
        ({"xl/workbook.xml": strict}, "Strict Open XML Spreadsheet; save it as Excel Workbook"),
    ):
        with pytest.raises(Unreadable, match=said) as raised:
            read_office(zipped({**parts, **damage}), ".xlsx")
        assert raised.value.reason == "unparsable"


def test_templates_and_files_with_macros_are_read_like_their_siblings(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="needs the extra 'office'; type: poetry install --extras office")
    relation = f'<R Id="r1" Type="{OFFICE}/officeDocument" Target="/main/document2.xml"/>'
    package = {"_rels/.rels": f"<R>{relation}</R>", "vbaProject.bin": b"\xd0\xcf\x11\xe0macro"}
    strict = "http://purl.oclc.org/ooxml/officeDocument/relationships"
    book = openpyxl.Workbook()
    book.active.append(["Cod"])
    sheet = BytesIO()
    book.save(sheet)
    word = package | {"main/document2.xml": f'<w:d xmlns:w="{W}"><w:body>{paragraph("Cod")}</w:body></w:d>'}
    slides = package | {
        "main/document2.xml": f'<p:x xmlns:p="P" xmlns:r="{strict}"><p:sldId id="256" r:id="r1"/></p:x>',
        "main/_rels/document2.xml.rels": '<R><R Id="r1" Target="slide.xml"/></R>',
        "main/slide.xml": '<p:s xmlns:p="P" xmlns:a="A"><p:sp><a:p><a:t>Cod</a:t></a:p></p:sp></p:s>',
    }
    open_document = {"content.xml": '<o:d xmlns:o="O" xmlns:t="T"><o:body><t:p>Cod</t:p></o:body></o:d>'}
    parts: dict[str, Mapping[str, str | bytes]] = {
        **dict.fromkeys(("docm", "dotx", "dotm"), word),
        **dict.fromkeys(("pptm", "ppsx", "ppsm", "potx", "potm"), slides),
        **dict.fromkeys(("xlsm", "xltx", "xltm"), unzipped(sheet.getvalue()) | {"vbaProject.bin": b"macro"}),
        **dict.fromkeys(("ott", "ots", "otp"), open_document),
    }
    for suffix, content in parts.items():
        (tmp_path / f"fish.{suffix}").write_bytes(zipped(content))
    context = SourceContext(tmp_path)
    items = [document(item) for item in Files(root=tmp_path).open(context).read()]
    context.close()
    assert {item.uri.rpartition(".")[2] for item in items if "Cod" in item.text} == parts.keys()


@pytest.mark.parametrize(
    ("name", "start", "advice"),
    [
        ("fish.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "save it as .docx"),
        ("fish.rtf", rb"{\rtf1\ansi Cod}", "save it as .docx"),
        ("fish.xlsb", b"PK\x03\x04", "save it as .xlsx"),
        ("fish.msg", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "save it as .eml"),
    ],
)
def test_a_format_that_is_not_read_is_refused_with_what_to_do(
    tmp_path: Path, name: str, start: bytes, advice: str
) -> None:
    item = read(tmp_path, name, start + b" Cod" * 99)
    assert isinstance(item, Rejection)
    assert item.reason == "binary"
    assert advice in item.detail


def test_a_notebook_keeps_text_code_and_what_it_printed(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Cod\n", "All about it."]},
        {"cell_type": "code", "source": "print('a ```')", "outputs": [{"output_type": "stream", "text": ["a ```\n"]}]},
        {"cell_type": "code", "source": "", "outputs": [{"data": {"image/png": "iVBO", "text/plain": "<Figure>"}}]},
    ]
    raw = json.dumps({"cells": cells, "metadata": {"language_info": {"name": "python"}}}).encode()
    item = document(read(tmp_path, "fish.ipynb", raw))
    assert item.text.startswith("# Cod\nAll about it.\n\n````python\nprint('a ```')\n````\n\n````text\na ```\n````")
    assert "iVBO" not in item.text
    assert (item.title, item.metadata["language"]) == ("Cod", "python")
    assert reason(read(tmp_path, "bad.ipynb", b"{}")) == "wrong_shape"
    assert reason(read(tmp_path, "cut.ipynb", raw[:-5])) == "invalid_json"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"worksheets": [{"cells": None}, {"cells": 7}, {"cells": [{"source": "cod"}]}]}, "cod"),
        ({"cells": [{"cell_type": "heading", "level": 10**9, "source": "cod"}]}, "###### cod"),
        ({"cells": [{"cell_type": "heading", "level": -3, "source": "cod"}]}, "# cod"),
        (
            {
                "cells": [{"cell_type": "code", "source": "1", "outputs": {}}],
                "metadata": {"language_info": {"name": "r\n```\n# Cod"}},
            },
            "```r # Cod\n1\n```",
        ),
    ],
)
def test_a_notebook_of_odd_values_is_read_as_far_as_it_goes(tmp_path: Path, content: object, text: str) -> None:
    assert document(read(tmp_path, "odd.ipynb", json.dumps(content).encode())).text == text


def test_an_email_is_its_text_with_what_can_be_filtered_by(tmp_path: Path) -> None:
    item = document(
        read(tmp_path, "fish.eml", mail("About c=?", "All about cod.", Date="Mon, 1 Jan 2024 10:00:00 +0000"))
    )
    assert (item.title, item.text.strip()) == ("About c=?", "All about cod.")
    assert (item.metadata["from"], item.metadata["date"]) == ("Ann <ann@example.org>", "2024-01-01T10:00:00+00:00")
    html = mail(
        "Cod", "<html><body><script>x</script><p>A big <b>fish</b>.</p></body></html>", Content_Type="text/html"
    )
    assert document(read(tmp_path, "html.eml", html)).text == "A big fish."
    attached = mail(
        "Cod",
        "--x\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nZ=FCrich\n"
        '--x\nContent-Type: application/pdf\nContent-Disposition: attachment; filename="a.pdf"\n\nxxx\n--x--',
        Content_Type='multipart/mixed; boundary="x"',
    )
    item = document(read(tmp_path, "attached.eml", attached))
    assert (item.text.strip(), item.metadata["attachments"]) == ("Zürich", "a.pdf")
    assert reason(read(tmp_path, "none.eml", b"\x00\x01\x02")) in ("unparsable", "empty")


def test_html_beside_a_plain_text_is_read_and_html_in_its_place_is_not(tmp_path: Path) -> None:
    def parts(kind: str, *contents: str) -> bytes:
        body = "".join(f"--x\nContent-Type: {content}\n" for content in contents)
        return mail("Cod", f"{body}--x--", Content_Type=f'multipart/{kind}; boundary="x"')

    html, plain = "text/html\n\n<p>All about <b>cod</b>.</p>", "text/plain\n\nYou are on the list of fish."
    item = document(read(tmp_path, "list.eml", parts("mixed", html, plain)))
    assert (item.text.strip(), item.format) == ("All about cod.\n\nYou are on the list of fish.", "markdown")
    item = document(read(tmp_path, "twice.eml", parts("alternative", plain, html)))
    assert (item.text.strip(), item.format) == ("You are on the list of fish.", "text")
    damaged = "text/plain\n\n\x00\x01\x02\x03"
    item = document(read(tmp_path, "damaged.eml", parts("mixed", damaged, plain)))
    assert item.provenance["note"] == "1 of its parts that say they are text are none, and were left out"
    item = document(read(tmp_path, "third.eml", parts("alternative", damaged, html)))
    assert item.text.strip() == "All about cod."
    assert reason(read(tmp_path, "none.eml", parts("mixed", damaged))) == "binary"


def test_a_plain_text_that_only_says_that_there_is_html_is_not_taken_for_it(tmp_path: Path) -> None:
    def newsletter(plain: str, html: str) -> str:
        parts = f"--x\nContent-Type: text/plain\n\n{plain}\n--x\nContent-Type: text/html\n\n{html}\n--x--"
        return document(
            read(tmp_path, "a.eml", mail("Fish", parts, Content_Type="multipart/alternative; boundary=x"))
        ).text.strip()

    letter = "Cod is cheap this week, and so is eel. " * 10
    html = f"<style>{'p { colour: red } ' * 100}</style><p>{letter}</p>"
    assert newsletter("Your program shows no HTML.", html) == letter.strip()
    assert newsletter(letter, html) == letter.strip()
    assert newsletter("Cod.", "<p>Cod.</p><img src='a.png'>") == "Cod."


def test_letters_of_mails_are_read_in_either_direction_of_writing(tmp_path: Path) -> None:
    raw = mail("Fish", "@", Content_Type="text/plain; charset=iso-8859-8-i").replace(
        b"@", "שלום דג".encode("iso-8859-8")
    )
    assert document(read(tmp_path, "a.eml", raw)).text.strip() == "שלום דג"


def test_mails_with_a_mark_in_markdown_or_encrypted(tmp_path: Path) -> None:
    marked = b"\xef\xbb\xbf" + mail("Cod", "# All about cod", Content_Type="text/markdown")
    assert document(read(tmp_path, "marked.eml", marked)).text.strip() == "# All about cod"
    secret = "--x\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n--x--"
    for content in (
        mail("Cod", secret, Content_Type='multipart/encrypted; boundary="x"'),
        mail("Cod", "MIAG", Content_Type="application/pkcs7-mime; smime-type=enveloped-data"),
    ):
        assert reason(read(tmp_path, "secret.eml", content)) == "encrypted"


@pytest.mark.parametrize("suffix", ["pdf", "docx", "xlsx", "eml"])
def test_a_file_without_a_byte_was_not_written_to_its_end(tmp_path: Path, suffix: str) -> None:
    assert reason(read(tmp_path, f"fish.{suffix}", b"")) == "truncated"


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        ({"text/plain": "<Figure size 640x480 with 1 Axes>", "image/png": "iVBOR"}, ""),
        ({"text/plain": "[<matplotlib.lines.Line2D at 0x7f0123456789>]"}, ""),
        ({"text/plain": "<IPython.core.display.Math object>", "text/latex": ["$x^2$"]}, "$x^2$"),
        ({"text/plain": "x**2", "text/latex": "$x^2$"}, "x**2"),
        ({"text/plain": "<Cod object, 3 kg> of <Sea>"}, "<Cod object, 3 kg> of <Sea>"),
    ],
)
def test_what_stands_for_a_picture_in_a_notebook_is_left_out(tmp_path: Path, data: object, shown: str) -> None:
    cell = {"cell_type": "code", "source": "x", "outputs": [{"output_type": "execute_result", "data": data}]}
    text = document(read(tmp_path, "a.ipynb", json.dumps({"cells": [cell]}).encode())).text
    assert text == "```python\nx\n```" + (f"\n\n```text\n{shown}\n```" if shown else "")


def test_a_notebook_shows_what_a_terminal_shows_in_the_end(tmp_path: Path) -> None:
    bars = "".join(f"\r {n}%|\x1b[31m###\x1b[0m|" for n in range(500))
    printed = ["start\r\n", bars, "\r100%| done\n", "\x1b[1;32mok\x1b[0m\r"]
    cells = [{"cell_type": "code", "source": "run()", "outputs": [{"output_type": "stream", "text": printed}]}]
    item = document(read(tmp_path, "fish.ipynb", json.dumps({"cells": cells, "metadata": {}}).encode()))
    assert item.text.split("```text\n")[1].replace("\r", "") == "start\n100%| done\nok\n```"


def test_a_mailbox_is_split_at_its_messages_and_each_has_a_key_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "fish.mbox"
    messages = [mail(name, f"All about {name}.\n\n>From the sea.\nFrom here on.", 1) for name in FISH]
    path.write_bytes(mbox(*messages, mail("large", "x" * 5000, 9)))
    context = SourceContext(tmp_path)
    items = list(Mailbox(path=path, max_bytes=4000).open(context).read())
    context.close()
    assert [document(item).key for item in items[:3]] == ["1@example.org", "1@example.org#2", "1@example.org#3"]
    assert "\n\nFrom the sea.\nFrom here on." in document(items[0]).text
    assert [item.reason for item in items if isinstance(item, Rejection)] == ["too_large"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_message_or_folder_that_cannot_be_read_costs_no_other_one(tmp_path: Path) -> None:
    for name in ("cur/cod", "cur/eel", "new/ray"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(mail(name, f"All about {name}.", len(name)))
    (tmp_path / "cur" / "cod").chmod(0)
    (tmp_path / "new").chmod(0)
    context = SourceContext(tmp_path)
    items: list[Item] = []
    with pytest.raises(SourceError, match="these folders cannot be listed"):
        items.extend(Mailbox(path=tmp_path).open(context).read())
    context.close()
    (tmp_path / "new").chmod(0o700)
    assert [type(item) for item in items] == [Failure, Document]


def test_what_is_no_file_in_a_maildir_is_rejected_at_once(tmp_path: Path) -> None:
    (tmp_path / "cur").mkdir()
    os.mkfifo(tmp_path / "cur" / "pipe")
    (tmp_path / "cur" / "ray").write_bytes(mail("Ray", "All about ray."))
    context = SourceContext(tmp_path)
    items = list(Mailbox(path=tmp_path).open(context).read())
    context.close()
    assert [(type(item), getattr(item, "reason", "")) for item in items] == [(Rejection, "not_a_file"), (Document, "")]


def test_a_file_that_takes_for_ever_is_given_up_and_the_next_one_is_read(tmp_path: Path) -> None:
    context = SourceContext(tmp_path, Fetching(parse_timeout_seconds=0.5))
    many = "".join(f"<w:p><w:r><w:t>{n}</w:t></w:r></w:p>" for n in range(400_000))
    (tmp_path / "a.docx").write_bytes(docx(many))
    (tmp_path / "b.docx").write_bytes(docx(paragraph("Cod")))
    slow, good = Files(root=tmp_path).open(context).read()
    context.close()
    assert reason(slow) == "unparsable"
    assert document(good).text == "Cod"

"""What a reader of an office file sees, and in which column, is what comes out; once, and nothing that is hidden."""

from datetime import datetime
from io import BytesIO

import pytest
from source_files import W, docx, paragraph, zipped

from llm_engineering.infrastructure.parsers.formats import Unreadable
from llm_engineering.infrastructure.parsers.formats.office import read_office

SPACES = 'xmlns:a="A" xmlns:p="P" xmlns:mc="MC" xmlns:r="R"'
ODF = 'xmlns:o="O" xmlns:t="T" xmlns:s="S"'


def cell(text: str, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{paragraph(text)}</w:tc>"


def test_cells_of_word_that_span_columns_leave_the_others_below_their_heads() -> None:
    head = "".join(map(cell, ("fish", "length", "weight")))
    span = cell("cod", '<w:gridSpan w:val="2"/>') + cell("3 kg")
    late = '<w:trPr><w:gridBefore w:val="2"/></w:trPr>' + cell("4 kg")
    odd = cell("eel", '<w:gridSpan w:val="many"/>')
    body = f'<w:tbl xmlns:w="{W}">{"".join(f"<w:tr>{row}</w:tr>" for row in (head, span, late, odd))}</w:tbl>'
    assert read_office(docx(body), ".docx")["text"].split("\n") == [
        "| fish | length | weight |",
        "| --- | --- | --- |",
        "| cod |  | 3 kg |",
        "|  |  | 4 kg |",
        "| eel |  |  |",
    ]


def opendocument(body: str, styles: str = "") -> dict[str, object]:
    content = f"<o:d {ODF}><o:automatic-styles>{styles}</o:automatic-styles><o:body>{body}</o:body></o:d>"
    return read_office(zipped({"content.xml": content}), ".odt")


def test_tables_within_tables_of_opendocument_and_comments_on_cells() -> None:
    row = "<t:table-row>{}</t:table-row>".format
    inner = f"<t:table>{row('<t:table-cell><t:p>eel</t:p></t:table-cell>')}</t:table>"
    note = "<t:note><t:note-citation>1</t:note-citation><t:note-body><t:p>Sold.</t:p></t:note-body></t:note>"
    comment = "<o:annotation><t:p>Is that so?</t:p></o:annotation>"
    boxed = "<t:p><t:frame><t:box><t:p>ray</t:p></t:box></t:frame></t:p>"
    cells = (f"{comment}<t:p>cod{note}</t:p>", f"<t:p>and</t:p>{inner}", boxed)
    outer = row("".join(f"<t:table-cell>{each}</t:table-cell>" for each in cells))
    found = opendocument(f"<t:table>{outer}</t:table>")
    assert found["text"] == "| cod[^1] [^1]: Sold. | and eel | ray |\n| --- | --- | --- |"


def test_hidden_sheets_and_slides_of_opendocument_are_left_out_and_titles_are_one_line() -> None:
    style = '<s:style s:name="x" s:family="{}"><s:properties t:{}/></s:style>'.format
    styles = style("table", 'display="false"') + style("drawing-page", 'visibility="hidden"')
    sheet = (
        '<t:table t:name="{0}" t:style-name="{1}"><t:table-row><t:table-cell><t:p>{0}</t:p></t:table-cell>'
        "</t:table-row></t:table>"
    ).format
    page = '<t:page t:style-name="{1}"><t:p>{0} <t:page-number>&lt;number&gt;</t:page-number></t:p></t:page>'.format
    shown = (
        f"<o:spreadsheet>{sheet('cod', 'y')}{sheet('secret', 'x')}</o:spreadsheet>{page('eel', 'y')}{page('ray', 'x')}"
    )
    found = opendocument(shown, styles)
    assert found["text"] == "## cod\n\n| cod |\n| --- |\n\neel"
    assert found["title"] == "cod"
    assert found["note"] == "hidden sheets were left out: 1; hidden slides were left out: 1"
    with pytest.raises(Unreadable, match="hidden sheets were left out: 1"):
        opendocument(f"<o:spreadsheet>{sheet('secret', 'x')}</o:spreadsheet>", styles)


def test_hidden_sheets_are_left_out_and_dates_are_dates() -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="spreadsheets need the extra 'office'")
    book = openpyxl.Workbook()
    book.active.title = "Fish"
    book.active.append(["cod", *map(datetime.fromisoformat, ("2024-01-02", "2024-01-02 13:05:00"))])
    for state in ("hidden", "veryHidden"):
        sheet = book.create_sheet(state)
        sheet.append(["the secret"])
        sheet.sheet_state = state
    raw = BytesIO()
    book.save(raw)
    found = read_office(raw.getvalue(), ".xlsx")
    assert found["text"] == "## Fish\n\n| cod | 2024-01-02 | 2024-01-02 13:05:00 |\n| --- | --- | --- |"
    assert found["note"] == "hidden sheets were left out: 2"


def test_smart_art_is_read_and_hidden_slides_and_second_forms_of_shapes_are_not() -> None:
    text = "<a:p><a:r><a:t>{}</a:t></a:r></a:p>".format
    shape = f"<p:sp>{text('{}')}</p:sp>".format
    choice = (
        f"<mc:AlternateContent><mc:Choice>{shape('cod')}</mc:Choice><mc:Fallback>{shape('a picture')}</mc:Fallback>"
    )
    relations = "<R>{}</R>".format
    relation = '<R Id="{}" Target="{}"/>'.format
    raw = zipped(
        {
            "ppt/presentation.xml": f'<p:x {SPACES}><p:sldId r:id="r1"/><p:sldId r:id="r2"/></p:x>',
            "ppt/_rels/presentation.xml.rels": relations(
                relation("r1", "slides/a.xml") + relation("r2", "slides/b.xml")
            ),
            "ppt/slides/a.xml": f"<p:s {SPACES}>{choice}</mc:AlternateContent></p:s>",
            "ppt/slides/_rels/a.xml.rels": relations(relation("d", "../diagrams/data1.xml")),
            "ppt/slides/b.xml": f'<p:s {SPACES} show="0">{shape("the backup")}</p:s>',
            "ppt/diagrams/data1.xml": f"<p:d {SPACES}>{text('eggs')}{text('larvae')}</p:d>",
        }
    )
    found = read_office(raw, ".pptx")
    assert found["text"] == "cod\n\n- eggs\n- larvae"
    assert found["note"] == "hidden slides were left out: 1"

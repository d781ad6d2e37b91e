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


def level(number: int, shown: str, more: str = "", kind: str = "decimal") -> str:
    return f'<w:lvl w:ilvl="{number}"><w:numFmt w:val="{kind}"/><w:lvlText w:val="{shown}"/>{more}</w:lvl>'


def counted(text: str, named: str = "", depth: str = "", style: str = "") -> str:
    said = f'<w:pStyle w:val="{style}"/>' if style else ""
    said += "<w:numPr>" + (f'<w:ilvl w:val="{depth}"/>' if depth else "")
    said += (f'<w:numId w:val="{named}"/>' if named else "") + "</w:numPr>"
    return f"<w:p><w:pPr>{said}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def numbered(body: str, lists: str, styles: str = "") -> list[str]:
    """Return the paragraphs of a document with automatic numbers."""
    parts = {
        "word/document.xml": f'<w:document xmlns:w="{W}"><w:body>{body}</w:body></w:document>',
        "word/numbering.xml": f'<w:numbering xmlns:w="{W}">{lists}</w:numbering>',
        "word/styles.xml": f'<w:styles xmlns:w="{W}">{styles}</w:styles>',
    }
    return str(read_office(zipped(parts), ".docx")["text"]).split("\n\n")


START = '<w:start w:val="x"/>'
CONTRACT = (
    '<w:abstractNum w:abstractNumId="5">'
    + level(0, "Article %1.", '<w:pStyle w:val="Article"/>', "upperRoman")
    + level(1, "%1.%2", "<w:isLgl/>")
    + level(2, "(%3)", '<w:start w:val="2"/>', "lowerLetter")
    + level(3, "\u2022", kind="bullet")
    + level(4, "%5)", '<w:lvlRestart w:val="0"/>')
    + "</w:abstractNum>"
    '<w:num w:numId="1"><w:abstractNumId w:val="5"/></w:num>'
    '<w:num w:numId="2"><w:abstractNumId w:val="5"/></w:num>'
    '<w:num w:numId="3"><w:abstractNumId w:val="5"/>'
    '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="7"/></w:lvlOverride></w:num>'
)
ARTICLE = (
    '<w:style w:styleId="Heading1"><w:name w:val="heading 1"/></w:style>'
    '<w:style w:styleId="Article"><w:basedOn w:val="Heading1"/><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr>'
    '</w:style><w:style w:styleId="Late"><w:basedOn w:val="Article"/></w:style>'
)


def test_automatic_numbers_of_word_are_counted_as_word_counts_them() -> None:
    body = (
        counted("Parties", style="Article") + counted("The seller.", "1", "1") + counted("The buyer.", "1", "1")
        + counted("of fish", "1", "2") + counted("of kelp", "1", "2") + counted("a point", "1", "3")
        + counted("stays", "1", "4") + counted("", "1", "0") + counted("Price", style="Late")
        + counted("It is due.", "2", "1") + counted("goes on", "1", "4") + counted("no number", "0")
        + counted("Annex", "3", "0") + counted("of the annex", "3", "1") + counted("after it", "1", "0")
        + counted("unknown list", "99", "0")
    )  # fmt: skip
    assert numbered(body, CONTRACT, ARTICLE) == [
        "# Article I. Parties", "1.1 The seller.", "1.2 The buyer.", "(b) of fish", "(c) of kelp", "      - a point",
        "1) stays", "# Article III. Price", "3.1 It is due.", "2) goes on", "no number", "Article VII. Annex",
        "7.1 of the annex", "Article VIII. after it", "- unknown list",
    ]  # fmt: skip


def test_a_former_list_of_a_paragraph_does_not_count_and_damaged_lists_stop_nothing() -> None:
    former = '<w:pPrChange><w:pPr><w:numPr><w:ilvl w:val="1"/><w:numId w:val="1"/></w:numPr></w:pPr></w:pPrChange>'
    plain = f"<w:p><w:pPr>{former}</w:pPr><w:r><w:t>plain</w:t></w:r></w:p>"
    odd = (
        '<w:num w:numId="4"><w:abstractNumId w:val="77"/></w:num><w:num/><w:abstractNum/>'
        f'<w:abstractNum w:abstractNumId="6">{level(0, "%1.%9.", START)}'
        '<w:lvl w:ilvl="many"/></w:abstractNum><w:num w:numId="5"><w:abstractNumId w:val="6"/></w:num>'
    )
    body = plain + counted("of no list", "4", "0") + counted("odd", "5", "0") + counted("deep", "5", "8")
    assert numbered(body, CONTRACT + odd) == ["plain", "- of no list", "1.1. odd", "                - deep"]


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

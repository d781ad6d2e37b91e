import json
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from source_files import FISH, docx, mail, mbox, needs_pdf, paragraph, pdf, zipped

from llm_engineering.domain.documents import Document, Failure, Item, NotModified, Rejection
from llm_engineering.infrastructure.fetching import Fetching
from llm_engineering.infrastructure.parsers import documents as parser
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


def test_lines_that_run_through_all_pages_are_left_out(tmp_path: Path) -> None:
    needs_pdf()
    pages = [
        [("The book of fish", 9), ("", 20), *BODY, (f"Page text {n}.", 11), ("", 300), (str(n), 9)] for n in range(6)
    ]
    text = document(read(tmp_path, "fish.pdf", pdf(*pages))).text
    assert "book of fish" not in text
    assert all(f"Page text {n}." in text for n in range(6))


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
        "<t:list><t:list-item><t:p>one</t:p></t:list-item></t:list></o:body></o:d>"
    )
    assert (
        document(read(tmp_path, "fish.odt", zipped({"content.xml": content}))).text == "## Cod\n\nA big fish.\n\n- one"
    )
    book = zipped(
        {
            "META-INF/container.xml": '<c><rootfile full-path="in/book.opf"/></c>',
            "in/book.opf": '<p><m><title>Fish</title></m><item id="a" href="a.xhtml"/><itemref idref="a"/></p>',
            "in/a.xhtml": "<html><body><h1>Cod</h1><p>A big fish.</p></body></html>",
        }
    )
    item = document(read(tmp_path, "fish.epub", book))
    assert (item.title, item.text) == ("Fish", "# Cod\n\nA big fish.")


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


def test_a_file_that_takes_for_ever_is_given_up_and_the_next_one_is_read(tmp_path: Path) -> None:
    context = SourceContext(tmp_path, Fetching(parse_timeout_seconds=0.5))
    many = "".join(f"<w:p><w:r><w:t>{n}</w:t></w:r></w:p>" for n in range(400_000))
    (tmp_path / "a.docx").write_bytes(docx(many))
    (tmp_path / "b.docx").write_bytes(docx(paragraph("Cod")))
    slow, good = Files(root=tmp_path).open(context).read()
    context.close()
    assert reason(slow) == "unparsable"
    assert document(good).text == "Cod"

"""Files of foreign formats, made on the spot: small ones by hand, so that each byte is known."""

import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO

import pytest

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

FISH = ("cod", "ray", "eel")

Line = tuple[str, int] | tuple[str, int, int]  # text, size of its type in points, and where it begins on the same line


def needs_pdf() -> None:
    pytest.importorskip("pypdfium2", reason="reading PDF needs the extra 'pdf'; type: poetry install --extras pdf")


TURNED = {0: "1 0 0 1 0 0", 90: "0 1 -1 0 792 0", 180: "-1 0 0 -1 792 792", 270: "0 -1 1 0 0 792"}


def pdf(
    *pages: Sequence[Line],
    title: str = "",
    encrypted: bool = False,
    font: str = "Helvetica",
    text_angle: int = 0,
    page_angle: int = 0,
    meanings: Mapping[str, str] | None = None,
    filled: str = "",
) -> bytes:
    """Return a PDF with a line of text below the other on each page; angles in degrees.

    `meanings` says which text a letter of its font stands for, `filled` is what is written into a form on its pages.
    """
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
    kids = []
    font_is = f"/Type /Font /Subtype /Type1 /BaseFont /{font}"
    if meanings:
        objects.append(_stream(_character_map(meanings)))
        font_is += f" /ToUnicode {len(objects)} 0 R"
    fonts = f"/Resources << /Font << /F1 << {font_is} >> >> >>"
    field = ""
    if filled:
        look = f"/Type /XObject /Subtype /Form /BBox [0 0 300 20] {fonts}"
        objects.append(_stream(f"BT /F1 11 Tf 2 5 Td ({filled}) Tj ET", look))
        widget = f"/Subtype /Widget /F 4 /Rect [72 400 372 420] /AP << /N {len(objects)} 0 R >>"
        objects.append(f"<< /Type /Annot {widget} /FT /Tx /T (field) /V ({filled}) >>")
        field = f"{len(objects)} 0 R"
        objects[0] = f"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [{field}] >> >>"
    for page in pages:
        shown, height = [], 760
        for text, size, *beside in page:
            escaped = text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
            height -= 0 if beside else round(size * 1.2)
            left = beside[0] if beside else 72
            shown.append(f"BT /F1 {size} Tf {left} {height} Td ({escaped}) Tj ET" if text else "")
        content = "\n".join([f"{TURNED[text_angle]} cm", *shown])
        objects.append(_stream(content))
        contents = f"/Contents {len(objects)} 0 R /Annots [{field}]"
        shape = f"/MediaBox [0 0 792 792] /Rotate {page_angle}"
        objects.append(f"<< /Type /Page /Parent 2 0 R {shape} {contents} {fonts} >>")
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    objects.append(f"<< /Title ({title}) >>")
    trailer = f"/Root 1 0 R /Info {len(objects)} 0 R"
    if encrypted:
        secret = "ab" * 32
        objects.append(f"<< /Filter /Standard /V 1 /R 2 /O <{secret}> /U <{secret}> /P -4 >>")
        trailer += f" /Encrypt {len(objects)} 0 R /ID [<00> <00>]"
    return _numbered(objects, trailer)


def _stream(content: str, said: str = "") -> str:
    return f"<< {said} /Length {len(content)} >>\nstream\n{content}\nendstream"


def _character_map(meanings: Mapping[str, str]) -> str:
    lines = [f"<{ord(letter):02x}> <{text.encode('utf-16-be').hex()}>" for letter, text in meanings.items()]
    space = "1 begincodespacerange <00> <ff> endcodespacerange"
    return "\n".join(["begincmap", space, f"{len(lines)} beginbfchar", *lines, "endbfchar endcmap"])


def _numbered(objects: Sequence[str], trailer: str) -> bytes:
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{content}\nendobj\n".encode("latin-1")
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += "".join(f"{offset:010} 00000 n \n" for offset in offsets).encode()
    out += f"trailer << /Size {len(objects) + 1} {trailer} >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


def zipped(parts: Mapping[str, str | bytes]) -> bytes:
    """Return a zip file of the parts."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return out.getvalue()


def docx(body: str, **parts: str) -> bytes:
    """Return a Word file with this XML in its body; further parts of `word/` by name without their ending."""
    styles = "".join(f'<w:style w:styleId="Heading{n}"><w:name w:val="heading {n}"/></w:style>' for n in (1, 2, 3))
    return zipped(
        {
            "word/document.xml": f'<w:document xmlns:w="{W}" xmlns:r="{OFFICE}"><w:body>{body}</w:body></w:document>',
            "word/styles.xml": f'<w:styles xmlns:w="{W}">{styles}</w:styles>',
            **{f"word/{name}.xml": content for name, content in parts.items()},
        }
    )


def paragraph(text: str, style: str = "") -> str:
    """Return a paragraph of a Word file."""
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{properties}<w:r><w:t>{text}</w:t></w:r></w:p>"


def mail(subject: str, text: str, number: int = 1, **headers: str) -> bytes:
    """Return a message."""
    more = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in headers.items())
    head = f"From: Ann <ann@example.org>\nSubject: {subject}\nMessage-ID: <{number}@example.org>\n{more}"
    return f"{head}\n{text}\n".encode()


def mbox(*messages: bytes) -> bytes:
    """Return a mailbox file."""
    return b"".join(b"From ann@example.org Mon Jan  1 00:00:00 2024\n" + message + b"\n" for message in messages)


def fish(kind: str = "fish") -> Iterator[dict[str, object]]:
    """Yield documents as a loader of one's own does: two good ones, and one without a text."""
    for name in FISH:
        text = "" if name == "ray" else f"All about {name}."
        yield {"uri": f"own:///{name}", "text": text, "title": name, "metadata": {"kind": kind}}


def no_fish() -> Iterator[dict[str, object]]:
    """Fail, as a loader does whose server is gone."""
    raise ConnectionError("the server of the fish is gone")
    yield {}


def lines_of(text: str) -> Iterator[tuple[int, int]]:
    """Chunk a text at its lines, and leave out every other one: what is left out must not get lost."""
    start = 0
    for number, line in enumerate(text.splitlines(keepends=True)):
        if number % 2:
            yield start, start + len(line)
        start += len(line)


def odd_fish() -> Iterator[object]:
    """Yield what are no documents, and one twice."""
    yield "a text"
    yield {"uri": "own:///cod", "text": 7}
    yield {"uri": "own:///cod", "text": "Cod.", "colour": "grey"}
    yield {"uri": "own:///eel", "text": "Eel."}
    yield {"uri": "own:///eel", "text": "Eel."}


def leaving_fish() -> Iterator[object]:
    """Yield a document, and leave as a program would."""
    yield {"uri": "own:///eel", "text": "Eel."}
    sys.exit(3)


def without(text: str, format: str, word: str) -> str:
    """Clean a text of a word."""
    return text.replace(word, "")


def longer(text: str, format: str) -> str:
    """Clean a text in a way that never comes to an end."""
    return text + "!"


def length(text: str, format: str) -> int:
    """Return no text."""
    return len(text)

"""Text read line by line, whatever its encoding and however long a line: memory stays flat, and the rest goes on."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from llm_engineering.domain.errors import SourceError

_PIECE = 1 << 16
_WIDE = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
# In this order: the mark of UTF-32 begins with the one of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_PACKED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"(\xb5/\xfd": "zstd"}


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line with its number; without text if it is longer than allowed. `mark` is its encoding if not UTF-8."""

    number: int
    text: str | None
    mark: str = ""


def text_lines(file: BinaryIO, most: int, encoding: str = "") -> Iterator[TextLine]:
    """Yield the lines of a file, each decoded by itself: UTF-8, else `encoding`, else Windows-1252.

    A byte order mark decides for the whole file, and so does an encoding of two or four bytes. A line ends with a
    line feed, a carriage return, or both. One of more than `most` bytes is passed over in pieces.

    Raises:
        SourceError: `binary`, the file is packed.
    """
    start = file.read(6)
    if packed := next((name for magic, name in _PACKED.items() if start.startswith(magic)), ""):
        raise SourceError("binary", f"it is packed ({packed}); unpack it first")
    file.seek(0)
    named = codecs.lookup(encoding).name if encoding else ""
    wide = next((name for mark, name in _MARKS.items() if start.startswith(mark)), named if named in _WIDE else "")
    source: Any = codecs.EncodedFile(file, "utf-8", wide, "replace") if wide else file
    for number, line in enumerate(_lines(source, most), start=1):
        if number == 1 and line is not None:
            line = line.removeprefix(codecs.BOM_UTF8)
        yield TextLine(number, None) if line is None else _decoded(number, line, encoding)


def _lines(file: BinaryIO, most: int) -> Iterator[bytes | None]:
    """Yield the lines with their ends; None for each that is too long."""
    held, too_long = b"", False
    while piece := file.read(max(_PIECE, len(held))):  # twice as much each time, lest a long line be copied for ever
        lines = (held + piece).splitlines(keepends=True)
        held = b"" if lines[-1].endswith(b"\n") else lines.pop()  # a carriage return may be half a line end
        for line in lines:
            yield None if too_long or len(line) > most else line
            too_long = False
        if len(held) > most + 2:
            held, too_long = held[-1:], True
    if held or too_long:
        yield None if too_long or len(held) > most else held


def _decoded(number: int, line: bytes, encoding: str) -> TextLine:
    try:
        return TextLine(number, line.decode())
    except UnicodeDecodeError:
        pass
    for name in (encoding, "cp1252"):
        try:
            if name:
                return TextLine(number, line.decode(name), name)
        except UnicodeDecodeError:
            continue
    return TextLine(number, line.decode("latin-1"), "latin-1")

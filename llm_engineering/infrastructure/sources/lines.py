"""Text read line by line, whatever its encoding and however long a line: memory stays flat, and the rest goes on."""

import codecs
import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.sources.records import Ambiguous, parse_json
from llm_engineering.infrastructure.sources.rows import Row

_PIECE = 1 << 16
_DELIMITERS = ",;\t|"


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line with its number; without text if it is longer than allowed. `mark` is its encoding if not UTF-8."""

    number: int
    text: str | None
    mark: str = ""


def text_lines(file: BinaryIO, most: int, encoding: str = "") -> Iterator[TextLine]:
    """Yield the lines of a file, each decoded by itself: UTF-8, else `encoding`, else Windows-1252.

    A byte order mark decides for the whole file. A line of more than `most` bytes is passed over in pieces.
    """
    start = file.read(4)
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        yield from _wide_lines(file, start, most)
        return
    rest = start.removeprefix(codecs.BOM_UTF8)
    number = 0
    while True:
        line = rest if rest.endswith(b"\n") else rest + file.readline(most + 1)
        rest = b""
        if not line:
            return
        number += 1
        if len(line) > most and not line.endswith(b"\n"):
            while (piece := file.readline(_PIECE)) and not piece.endswith(b"\n"):
                pass
            yield TextLine(number, None)
            continue
        if b"\n" in line[:-1]:  # the first four bytes held more than one line
            first, _, rest = line.partition(b"\n")
            line = first + b"\n"
        yield _decoded(number, line, encoding)


def _wide_lines(file: BinaryIO, start: bytes, most: int) -> Iterator[TextLine]:
    name = "utf-16-le" if start.startswith(codecs.BOM_UTF16_LE) else "utf-16-be"
    decoder = codecs.getincrementaldecoder(name)("replace")
    text, number, skips = decoder.decode(start[2:]), 0, False
    while True:
        while "\n" in text:
            line, _, text = text.partition("\n")
            number += 1
            yield TextLine(number, None if skips or len(line) > most else line + "\n")
            skips = False
        if len(text) > most:
            text, skips = "", True
        piece = file.read(_PIECE)
        if not piece:
            break
        text += decoder.decode(piece)
    if text or skips:
        yield TextLine(number + 1, None if skips else text)


def _decoded(number: int, line: bytes, encoding: str) -> TextLine:
    try:
        return TextLine(number, line.decode())
    except UnicodeDecodeError:
        pass
    for name in (encoding, "cp1252"):
        try:
            if name:
                return TextLine(number, line.decode(name), name)
        except (UnicodeDecodeError, LookupError):
            continue
    return TextLine(number, line.decode("latin-1"), "latin-1")


def json_rows(lines: Iterator[TextLine], most: int) -> Iterator[Row]:
    """Yield a row for each line that is not blank: an object of JSON, or what is wrong with the line."""
    count = 0
    for line in lines:
        if line.text is not None and not line.text.strip():
            continue
        count += 1
        place = f"line {line.number}"
        if line.text is None:
            yield Row(count, place, problem=_too_long(place, most))
            continue
        try:
            value = parse_json(line.text)
        except SourceError as error:
            yield Row(count, place, problem=(error.reason, f"{place}: {error}"))
            continue
        if isinstance(value, Ambiguous):
            yield Row(count, place, problem=("wrong_shape", f"{place}: the key {value.twice[:80]!r} is there twice"))
        elif isinstance(value, dict):
            yield Row(count, place, value)
        else:
            found = json.dumps(value)[:60]
            yield Row(count, place, problem=("wrong_shape", f"{place}: expected a JSON object, found {found}"))


def csv_rows(lines: Iterator[TextLine], most: int, delimiter: str) -> Iterator[Row]:
    """Yield the rows of a table whose first line names the columns. A ragged row is a problem of that row alone.

    Raises:
        SourceError: `empty_source`, `wrong_shape`: there is no head, or it names a column twice.
    """
    csv.field_size_limit(max(csv.field_size_limit(), most + 1))
    pushed = _Pushed(lines)
    head_line = next((line for line in pushed if line.text is None or line.text.strip()), None)
    if head_line is None or head_line.text is None:
        problem = "its first line is too long" if head_line else "it is empty"
        raise SourceError(
            "wrong_shape" if head_line else "empty_source", f"{problem}; the first line names the columns"
        )
    if "\x00" in head_line.text:
        raise SourceError("binary", "its first line holds NUL bytes, so it is no CSV")
    delimiter = delimiter or max(_DELIMITERS, key=head_line.text.count)
    head = [name.strip() for name in _cells(head_line.text, delimiter) or []]
    if twice := sorted({name for name in head if head.count(name) > 1}):
        raise SourceError("wrong_shape", f"the column {twice[0][:80]!r} is there twice; give each a name of its own")
    count = 0
    while (record := _record(pushed, most, delimiter)) is not None:
        first, text = record
        place = f"line {first.number}"
        if text is not None and not text.strip():
            continue
        count += 1
        cells = _cells(text, delimiter) if text is not None else None
        if first.text is None:
            yield Row(count, place, problem=_too_long(place, most))
        elif cells is None:
            yield Row(count, place, problem=("wrong_shape", f"{place}: a quotation mark is not closed, or misplaced"))
        elif len(cells) != len(head):
            detail = f"{place}: {len(cells)} cells under {len(head)} columns; quote a cell that holds {delimiter!r}"
            yield Row(count, place, problem=("ragged", detail))
        else:
            yield Row(count, place, dict(zip(head, cells, strict=True)))


class _Pushed:
    """An iterator of lines that takes lines back."""

    def __init__(self, lines: Iterator[TextLine]) -> None:
        self._lines = lines
        self._back: list[TextLine] = []

    def __iter__(self) -> Iterator[TextLine]:
        return self

    def __next__(self) -> TextLine:
        return self._back.pop() if self._back else next(self._lines)

    def push(self, lines: list[TextLine]) -> None:
        self._back += reversed(lines)


def _record(lines: _Pushed, most: int, delimiter: str) -> tuple[TextLine, str | None] | None:
    """Return the next record: its first line, and the text of all its lines, or None where no record can be made.

    A quoted cell may hold line ends. If its end mark is not found within `most` characters, only the first line is
    given up: the lines after it are read as records of their own.
    """
    first = next(lines, None)
    if first is None:
        return None
    if first.text is None or first.text.count('"') % 2 == 0:
        return first, first.text
    taken: list[TextLine] = []
    text, size = [first.text], len(first.text)
    for line in lines:
        taken.append(line)
        if line.text is None:
            break
        text.append(line.text)
        size += len(line.text)
        if line.text.count('"') % 2:
            joined = "".join(text)
            if _cells(joined, delimiter) is not None:
                return first, joined
            break
        if size > most:
            break
    lines.push(taken)
    return first, None


def _cells(text: str, delimiter: str) -> list[str] | None:
    """Return the cells of one record, or None if it is none."""
    try:
        records = list(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return records[0] if len(records) == 1 else None


def _too_long(place: str, most: int) -> tuple[str, str]:
    return "too_large", f"{place} is longer than max_row_bytes ({most:,} bytes)"

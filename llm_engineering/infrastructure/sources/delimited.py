"""Tables of text: CSV, TSV and their like, with quoted cells that may hold delimiters and line ends."""

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice

from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.sources.lines import TextLine
from llm_engineering.infrastructure.sources.naming import named_twice
from llm_engineering.infrastructure.sources.rows import Row, too_long

_DELIMITERS = ",;\t|"
_SAMPLE = 20  # lines after the head that show which delimiter is meant
# Between two digits, or before a blank, it rather belongs to a cell, as in 3,50 and in "price, EUR".
_INSIDE = {mark: re.compile(rf"(?<=\d){re.escape(mark)}(?=\d)|{re.escape(mark)} ") for mark in _DELIMITERS}
_SEP = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # how a file tells Excel its delimiter


def csv_rows(lines: Iterator[TextLine], most: int, delimiter: str) -> Iterator[Row]:
    """Yield the rows of a table whose first record names the columns. A ragged row is a problem of that row alone.

    Raises:
        SourceError: `empty_source`, `wrong_shape`, `binary`: there is no head, or it names a column twice.
    """
    csv.field_size_limit(max(csv.field_size_limit(), most + 1))
    pushed = _Pushed(lines)
    said = _said(pushed)
    delimiter = delimiter or said or _told(pushed)
    head = _head(pushed, most, delimiter)
    count = 0
    while (record := _record(pushed, most, delimiter)) is not None:
        first, text = record
        place = f"line {first.number}"
        if text is not None and not text.strip():
            continue
        count += 1
        cells = _cells(text, delimiter) if text is not None else None
        if first.text is None:
            yield Row(count, place, problem=too_long(place, most))
        elif cells is None:
            yield Row(count, place, problem=("wrong_shape", f"{place}: a quotation mark is not closed, or misplaced"))
        elif len(cells) < len(head) or any(cells[len(head) :]):
            found = f"{len(cells)} cells under {len(head)} columns"
            detail = f"{place}: {found}; quote a cell that holds {delimiter!r}, or set `delimiter` if it is another"
            yield Row(count, place, problem=("ragged", detail))
        else:
            yield Row(count, place, dict(zip(head, cells, strict=False)))


class _Pushed:
    """An iterator of lines that takes lines back."""

    def __init__(self, lines: Iterator[TextLine]) -> None:
        self._lines = lines
        self._back: list[TextLine] = []

    def __iter__(self) -> Iterator[TextLine]:
        return self

    def __next__(self) -> TextLine:
        return self._back.pop() if self._back else next(self._lines)

    def push(self, lines: Sequence[TextLine]) -> None:
        self._back += reversed(lines)


def _said(lines: _Pushed) -> str:
    """Return the delimiter that the first line says, as Excel reads it, or nothing; blank lines are passed over."""
    first = next((line for line in lines if line.text is None or line.text.strip()), None)
    said = _SEP.fullmatch(first.text) if first is not None and first.text is not None else None
    if first is not None and said is None:
        lines.push([first])
    return said.group(1) if said else ""


def _told(lines: _Pushed) -> str:
    """Return the delimiter under which most rows have as many cells as the head; of several the one it has most.

    Of several that are alike in this, the one that seldom stands inside of what reads like a cell.
    """
    sample = list(islice(lines, _SAMPLE))
    lines.push(sample)
    texts = [line.text for line in sample if line.text is not None]
    widths = {mark: _widths(texts, mark) for mark in _DELIMITERS if texts}
    divides = {mark: found for mark, found in widths.items() if found[0] > 1} or widths

    def likelihood(mark: str) -> tuple[int, int, int]:
        width = divides[mark][0]
        return divides[mark].count(width), width, -len(_INSIDE[mark].findall("".join(texts)))

    return max(divides, key=likelihood, default=",")


def _widths(texts: Sequence[str], delimiter: str) -> list[int]:
    """Return how many cells the rows have, up to one that is none."""
    found: list[int] = []
    with suppress(csv.Error):  # a cell that is not closed, and too long
        found.extend(len(cells) for cells in csv.reader(texts, delimiter=delimiter) if cells)
    return found or [0]


def _head(lines: _Pushed, most: int, delimiter: str) -> list[str]:
    """Return the names of the columns. Those without one are named by their places, if there are several."""
    record = _record(lines, most, delimiter)
    while record is not None and record[1] is not None and not record[1].strip():
        record = _record(lines, most, delimiter)
    if record is None:
        raise SourceError("empty_source", "it is empty; the first line names the columns")
    first, text = record
    if first.text is None:
        raise SourceError("wrong_shape", "its first line is too long; the first line names the columns")
    if "\x00" in first.text:
        advice = "of UTF-16 without a byte order mark, set `encoding` to utf-16-le or utf-16-be"
        raise SourceError("binary", f"its first line holds NUL bytes, so it is no CSV; {advice}")
    cells = _cells(text, delimiter) if text is not None else None
    if cells is None:
        raise SourceError("wrong_shape", "a quotation mark of its first line is not closed; it names the columns")
    head = [name.strip() for name in cells]
    if head.count("") > 1:
        head = [name or f"column {place}" for place, name in enumerate(head, start=1)]
    if twice := named_twice(head):
        raise SourceError("wrong_shape", f"the column {twice[0][:80]!r} is there twice; give each a name of its own")
    return head


def _record(lines: _Pushed, most: int, delimiter: str) -> tuple[TextLine, str | None] | None:
    """Return the next record: its first line, and the text of all its lines, or None where no record can be made.

    A quoted cell may hold line ends. If its end mark is not found within `most` characters, only the first line is
    given up: the lines after it are read as records of their own.
    """
    first = next(lines, None)
    if first is None:
        return None
    if first.text is None or first.text.count('"') % 2 == 0 or _cells(first.text, delimiter) is not None:
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

"""Two columns of running text that a PDF draws row by row, so that each line holds a piece of both.

Most programs draw one column after the other, and then there is nothing to do. Tables are drawn by rows, too: rows are
taken for columns only where both are nearly as wide, close to each other, mostly filled, and go on in the next line
with a small letter.
"""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from llm_engineering.infrastructure.parsers.formats.pdf_layout import Line

LEAST_ROWS = 8
_FILLED, _MOSTLY_FILLED = 0.75, 0.7  # of a column's width; of its lines
_GOES_ON = 0.35  # of the lines begin with a small letter
_NARROWER = 0.6  # one column against the other
_GUTTER = 0.25  # of a column's width is between them; the columns of tables stand further apart
_ALIGNED = 0.8  # of the right pieces begin at the same place
_BLANK = 3.0  # type sizes between two rows; what is further away is no part of the columns

Row = Sequence[Line]  # the pieces of a line, as wide blanks divide it


def in_reading_order(rows: Sequence[Row]) -> list[Line] | None:
    """Return the lines of a page column by column, or None if it does not have two."""
    pairs = [row for row in rows if len(row) == 2]
    if len(pairs) < LEAST_ROWS:
        return None
    start = median(row[1].left for row in pairs)
    done: list[Line] = []
    found, run = False, list[Row]()
    for row in [*rows, ()]:
        if row and _is_beside(row, start) and (not run or _follows(run[-1], row)):
            run.append(row)
            continue
        columns = _columns(run, start)
        found = found or columns is not None
        done += columns if columns is not None else [_whole(each) for each in run]
        run = [row] if row and _is_beside(row, start) else []
        done += [_whole(row)] if row and not run else []
    return done if found else None


def _is_beside(row: Row, start: float) -> bool:
    """Tell whether no piece of a row crosses the blank between the columns."""
    return len(row) <= 2 and all(
        piece.right < start - piece.size / 2 or piece.left > start - piece.size for piece in row
    )


def _follows(before: Row, row: Row) -> bool:
    return abs(before[0].bottom - row[0].top) < _BLANK * row[0].size


def _columns(run: Sequence[Row], start: float) -> list[Line] | None:
    pieces = [piece for row in run for piece in row]
    left = [piece for piece in pieces if piece.right < start]
    right = [piece for piece in pieces if piece.right >= start]
    pairs = [row for row in run if len(row) == 2]
    if len(pairs) < LEAST_ROWS or not left or not (_is_running_text(left) and _is_running_text(right)):
        return None
    aligned = sum(abs(row[1].left - start) < row[1].size for row in pairs)
    narrow, wide = sorted((_width(left), _width(right)))
    gutter = start - max(piece.right for piece in left)
    if aligned < _ALIGNED * len(pairs) or narrow < _NARROWER * wide or gutter > _GUTTER * narrow:
        return None
    return [_divided(piece) for piece in left] + right


def _is_running_text(column: Sequence[Line]) -> bool:
    edge, width = min(piece.left for piece in column), _width(column)
    filled = sum(piece.right - edge >= _FILLED * width for piece in column)
    goes_on = sum(piece.text[:1].islower() for piece in column)
    return filled >= _MOSTLY_FILLED * len(column) and goes_on >= _GOES_ON * len(column)


def _width(column: Sequence[Line]) -> float:
    return max(piece.right for piece in column) - min(piece.left for piece in column)


def _divided(piece: Line) -> Line:
    """Mark the hyphen of a divided word as PDFium does at the end of a line."""
    is_divided = piece.text.endswith("-") and piece.text[-2:-1].isalpha()
    return replace(piece, text=f"{piece.text[:-1]}\x02") if is_divided else piece


def _whole(row: Row) -> Line:
    return replace(row[0], text=" ".join(piece.text for piece in row), right=row[-1].right)

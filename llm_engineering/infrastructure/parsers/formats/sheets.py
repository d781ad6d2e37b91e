"""Sheets of a spreadsheet, and tables of OpenDocument: only cells that hold something cost time, memory and text."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from llm_engineering.infrastructure.parsers.formats import Unreadable
from llm_engineering.infrastructure.parsers.markup import table

_MOST_CELLS = 500_000


@dataclass
class Sheets:
    """Writes the sheets of a file, which have a limited number of cells in all."""

    cells_left: int = _MOST_CELLS

    def table(self, rows: Iterable[Mapping[int, str]]) -> str:
        """Return rows, each its cells by column, as a table without the columns and rows that are blank throughout.

        Raises:
            Unreadable: `too_large`.
        """
        filled: list[dict[int, str]] = []
        count = 0
        for row in rows:
            cells = {column: text for column, text in row.items() if text.strip()}
            count += len(cells)
            self._refuse(count)
            if cells:
                filled.append(cells)
        columns = sorted({column for cells in filled for column in cells})
        places = {column: place for place, column in enumerate(columns)}
        # A row is written up to its last cell: where only a diagonal is filled, that is many times its cells.
        count = sum(places[max(cells)] + 1 for cells in filled)
        self._refuse(count)
        self.cells_left -= count
        return table([_up_to_the_last(cells, places) for cells in filled])

    def _refuse(self, count: int) -> None:
        if count > self.cells_left:
            raise Unreadable("too_large", f"it has more than {_MOST_CELLS:,} cells; save it as CSV (kind: table)")


def _up_to_the_last(cells: Mapping[int, str], places: Mapping[int, int]) -> list[str]:
    written = [""] * (places[max(cells)] + 1)
    for column, text in cells.items():
        written[places[column]] = text
    return written

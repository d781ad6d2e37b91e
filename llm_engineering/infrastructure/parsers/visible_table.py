"""Tells tables of data from tables that only lay out a page, as HTML streams by."""

from dataclasses import dataclass, field

from llm_engineering.infrastructure.parsers.markup import table
from llm_engineering.infrastructure.parsers.visible import Block

# Longer passages than this stand in tables that lay out a page.
_LONGEST_CELL = 1000
_WIDEST_SPAN = 100
_STRUCTURE = frozenset({"pre", "h1", "h2", "h3", "h4", "h5", "h6"})


@dataclass
class OpenTable:
    """A table that is being read: `first` is the number of blocks that came before it on the page."""

    first: int
    is_layout: bool = False
    _rows: list[list[list[Block]]] = field(default_factory=list)
    _around: list[Block] = field(default_factory=list)
    _cell: list[Block] = field(default_factory=list)
    _has_headers: bool = False

    def start_row(self) -> None:
        """Begin a row."""
        self._rows.append([])

    def start_cell(self, *, is_header: bool, span: str) -> None:
        """Begin a cell. One that spans several columns is followed by empty ones."""
        if not self._rows:
            self.start_row()
        self._has_headers = self._has_headers or is_header
        width = max(1, min(int(span), _WIDEST_SPAN)) if span.isdecimal() and len(span) < 4 else 1
        self._cell = []
        self._rows[-1] += [self._cell, *([] for _ in range(width - 1))]

    def add(self, block: Block) -> None:
        """Take a block into the cell that is open, or as a caption."""
        (self._cell if self._rows and self._rows[-1] else self._around).append(block)

    def blocks(self) -> list[Block] | None:
        """Return the captions and the table as one block, or None if it only lays out a page."""
        rows = [row for row in self._rows if any(row)]
        inner = [block for row in rows for cell in row for block in cell]
        if not self._is_data(rows, inner):
            return None
        whole = Block(
            "table",
            "\n".join(" ".join(block.text for cell in row for block in cell) for row in rows),
            inner[0].chrome,
            sum(block.linked for block in inner),
            table([[" ".join(block.marked for block in cell) for cell in row] for row in rows]),
        )
        return [*self._around, whole]

    def _is_data(self, rows: list[list[list[Block]]], inner: list[Block]) -> bool:
        if self.is_layout or not inner or len({block.chrome for block in inner}) > 1:
            return False
        if any(block.tag in _STRUCTURE for block in inner):
            return False
        is_grid = len(rows) > 1 and max(len(row) for row in rows) > 1
        longest = max(sum(len(block.text) for block in cell) for row in rows for cell in row)
        return (is_grid or self._has_headers) and longest <= _LONGEST_CELL

"""Pieces of text that both readers of HTML write: code, formulas, tables."""

import re
from collections.abc import Sequence

TEX = "application/x-tex"  # what the TeX of a formula is called in MathML
WIKIPEDIA = "mwe-math-mathml"  # the class of a formula that is hidden, because a picture of it is shown
# A figure, with its sign, or one letter of an exponent.
_EXPONENT = re.compile(r"\s*(?:[+−–-]?[0-9]{1,4}[+−–-]?|[ni])\s*")
_RAISED = str.maketrans("0123456789+−–-ni", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻ⁿⁱ")
_BACKTICKS = re.compile(r"`+")
_CELL_BREAKS = re.compile(r"\s+")
# A table with ragged rows is filled up with empty cells up to this many times its own cells.
_MOST_PADDING = 4


def code_span(text: str) -> str:
    """Return text as inline code, between more backticks than it holds in a row; blanks around it stay outside."""
    core = text.strip()
    if not core:
        return text
    fence = "`" * (1 + _longest_run(core) if "`" in core else 1)
    pad = " " if core.startswith("`") or core.endswith("`") else ""
    start = text.index(core)
    return f"{text[:start]}{fence}{pad}{core}{pad}{fence}{text[start + len(core) :]}"


def code_block(code: str, language: str = "") -> str:
    """Return code between fences that are longer than any run of backticks in it."""
    fence = "`" * max(3, 1 + _longest_run(code))
    return f"{fence}{language}\n{code.strip(chr(10)).rstrip()}\n{fence}"


def formula(tex: str, shown: str, *, is_block: bool) -> str:
    """Return a formula on one line: its TeX between the marks of MathJax, or what is shown if nobody says its TeX."""
    said = " ".join(tex.split())
    if not said:
        return " ".join(shown.split())
    return f"\\[{said}\\]" if is_block else f"\\({said}\\)"


def raised(text: str) -> str:
    """Return a figure that stands above the line in the characters that Unicode has for it, all else as it is.

    On the line it would be another number. Figures below the line (H2O) are written on it by everybody.

    >>> f"10{raised('3')} m{raised('2')}, the 1{raised('st')}"
    '10³ m², the 1st'
    """
    return text.translate(_RAISED) if _EXPONENT.fullmatch(text) else text


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells as a table whose header is the first row, or nothing if no cell holds anything."""
    cells = [[_cell(cell) for cell in row] for row in rows]
    cells = [row for row in cells if any(row)]
    if not cells:
        return ""
    width = max(map(len, cells))
    # Readers of Markdown fill up short rows themselves: one endless row must not make all the others endless.
    fill = width if width * len(cells) <= _MOST_PADDING * sum(map(len, cells)) else 0
    lines = [_row(cells[0], width), "|" + " --- |" * width, *(_row(row, fill) for row in cells[1:])]
    return "\n".join(lines)


def _row(cells: Sequence[str], width: int) -> str:
    return "| " + " | ".join([*cells, *[""] * (width - len(cells))]) + " |"


def _cell(text: str) -> str:
    return _CELL_BREAKS.sub(" ", text).strip().replace("|", "\\|")


def _longest_run(text: str) -> int:
    return max((len(run) for run in _BACKTICKS.findall(text)), default=0)

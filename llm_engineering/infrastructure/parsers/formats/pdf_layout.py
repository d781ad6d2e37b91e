"""From the lines of PDF pages to Markdown: which lines are headings, which make a paragraph, which are code."""

import itertools
import re
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from llm_engineering.infrastructure.parsers.markup import code_block

_LARGER = 1.15  # a heading's type against that of running text
_LONGEST_HEADING = 200
_LEVELS = 4
_RUNNING_PAGES = 4  # fewer pages do not show what runs through all of them
_BULLET = re.compile(r"^([•▪◦‣●■–]|[-*](?=\s))\s*")
_NUMBERED = re.compile(r"^(\d{1,3}|[a-z])[.)]\s")
_NUMBER = re.compile(r"(?i)\d+|[ivxlc]+")
_PAGE_NUMBER = re.compile(r"(?<!\d)\d{1,5}(?!\d)")
_DIVIDED = ("\ufffe", "\x02", "\u00ad")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a page: its text, the height of its type in points, and where it stands."""

    text: str
    size: float = 0.0
    top: float = 0.0
    bottom: float = 0.0
    left: float = 0.0
    right: float = 0.0
    advance: float = 0.0
    mono: bool = False

    @property
    def rounded(self) -> float:
        """The size to half a point: one font is not several."""
        return round(self.size * 2) / 2


def without_running_lines(pages: Sequence[Sequence[Line]]) -> tuple[list[list[Line]], int]:
    """Return the pages without headers and footers that run through most of them, and how many characters these had.

    Such are the first and the last line of a page, if they differ in the page's number alone, and the second from
    either edge if it is the same everywhere. In larger type a number makes a difference: it is a chapter's.
    """
    filled = [page for page in pages if page]
    if len(filled) < _RUNNING_PAGES:
        return [list(page) for page in pages], 0
    levels = _levels([line for page in filled for line in page])
    edges = [_edges(page, number, levels) for number, page in enumerate(pages)]
    count = Counter(key for page in edges for key in set().union(*page.values()))
    running = {key for key, number in count.items() if number > len(filled) / 2}
    kept, dropped = [], 0
    for page, edge in zip(pages, edges, strict=True):
        gone = {index for index, keys in edge.items() if keys & running}
        kept.append([line for index, line in enumerate(page) if index not in gone])
        dropped += sum(len("".join(page[index].text.split())) for index in gone)
    return kept, dropped


def _edges(page: Sequence[Line], number: int, levels: Container[float]) -> dict[int, set[tuple[str, int]]]:
    """Return what may identify the lines at the edges of a page, by their positions: text and height on the page."""
    inner = {index: {page[index].text} for index in (1, len(page) - 2) if 0 < index < len(page) - 1}
    outer = {
        index: {page[index].text} if page[index].rounded in levels else _numbered(page[index].text, number)
        for index in (0, len(page) - 1)
        if page
    }
    return {
        index: {(text.strip().casefold(), round(page[index].top / 4)) for text in texts}
        for index, texts in (inner | outer).items()
    }


def _numbered(text: str, number: int) -> set[str]:
    """Return the forms that a line has on every page if one of its numbers counts the pages."""
    if _NUMBER.fullmatch(text.strip()):
        return {"#"}
    counted = (
        f"{text[: found.start()]}#{int(found.group()) - number}{text[found.end() :]}"
        for found in _PAGE_NUMBER.finditer(text)
    )
    return {text, *counted}


def markdown(pages: Sequence[Sequence[Line]]) -> tuple[list[str], str]:
    """Return each page as Markdown, and the first heading of the highest level as the title."""
    lines = [line for page in pages for line in page]
    levels = _levels(lines)
    gap = _gap(pages)
    blocks = [list(_blocks(page, levels, gap)) for page in pages]
    highest = min((block[0] for page in blocks for block in page if block[0]), default=0)
    title = next((text for page in blocks for level, text in page if level and level == highest), "")
    return ["\n\n".join(_written(level, text) for level, text in page) for page in blocks], title


def _levels(lines: Sequence[Line]) -> dict[float, int]:
    """Return the heading level of each type size that is clearly larger than that of running text."""
    characters: Counter[float] = Counter()
    for line in lines:
        characters[line.rounded] += len(line.text)
    if not characters:
        return {}
    body = characters.most_common(1)[0][0]
    larger = sorted((size for size in characters if size > body * _LARGER), reverse=True)
    return {size: min(level, _LEVELS) for level, size in enumerate(larger, start=1)}


def _gap(pages: Sequence[Sequence[Line]]) -> float:
    """Return the usual blank between two lines of a paragraph, as a share of the type size."""
    gaps = [
        (before.bottom - line.top) / line.size
        for page in pages
        for before, line in itertools.pairwise(page)
        if line.size and before.rounded == line.rounded and -0.5 < (before.bottom - line.top) / line.size < 2
    ]
    return median(gaps) if gaps else 0.2


def _blocks(page: Sequence[Line], levels: dict[float, int], gap: float) -> Iterator[tuple[int, str]]:
    """Yield the blocks of a page: heading level or 0, and text."""
    group: list[Line] = []
    for line in page:
        if group and not _belongs(group[-1], line, levels, gap):
            yield _block(group, levels)
            group = []
        group.append(line)
    if group:
        yield _block(group, levels)


def _belongs(before: Line, line: Line, levels: dict[float, int], gap: float) -> bool:
    if before.mono != line.mono or levels.get(before.rounded) != levels.get(line.rounded):
        return False
    if abs(before.size - line.size) > _LARGER * line.size - line.size:
        return False
    if line.mono:
        return line.size == 0 or (before.bottom - line.top) / line.size < 3
    if _BULLET.match(line.text) or (_NUMBERED.match(line.text) and not before.text.endswith(_DIVIDED)):
        return False
    if not line.size:
        return True
    distance = (before.bottom - line.top) / line.size
    return -3 < distance <= gap + (0.35 if line.rounded not in levels else 0.6)


def _block(group: Sequence[Line], levels: dict[float, int]) -> tuple[int, str]:
    if all(line.mono for line in group):
        left = min(line.left for line in group)
        indented = [" " * _indent(line, left) + line.text for line in group]
        return 0, code_block("\n".join(line.rstrip("".join(_DIVIDED)) for line in indented))
    text = ""
    for line in group:
        text = text.rstrip("".join(_DIVIDED)) + line.text if text.endswith(_DIVIDED) else f"{text} {line.text}".strip()
    text = text.rstrip("".join(_DIVIDED))
    level = levels.get(group[0].rounded, 0)
    is_heading = level and len(text) <= _LONGEST_HEADING and any(character.isalpha() for character in text)
    return (level if is_heading else 0), text


def _indent(line: Line, left: float) -> int:
    return min(80, round((line.left - left) / line.advance)) if line.advance > 0 else 0


def _written(level: int, text: str) -> str:
    if level:
        return f"{'#' * level} {text}"
    if text.startswith("```"):
        return text
    text = _BULLET.sub("- ", text)
    return f"\\{text}" if text.startswith(("#", ">")) else text

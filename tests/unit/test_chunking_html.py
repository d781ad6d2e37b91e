"""HTML by its headings: the parser makes Markdown of a page, and the chunker of Markdown reads its headings."""

import re
from pathlib import Path

import pytest

from llm_engineering.application.chunking import ByFormat
from llm_engineering.domain.chunks import Chunk
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.infrastructure.embedders import Hashing
from llm_engineering.infrastructure.parsers.article import read_page

MANUAL = Path("/usr/share/doc/postgresql-doc-15/html")
SENTENCE = "The boats came back in the evening, and nobody had expected the catch to be this good. "


def chunks_of(html: str, window: int = 256) -> tuple[str, list[Chunk]]:
    page = read_page(html, "https://news.example/a")
    cleaned = CleanedDocument("id", "https://news.example/a", "s", "markdown", page.text, page.title, "hash", {})
    return page.text, list(ByFormat().chunk(cleaned, Hashing(max_tokens=window).open_tokenizer(Path())))


def page(body: str) -> str:
    return f"<html><head><title>Fish</title></head><body><article>{body}</article></body></html>"


def test_headings_of_all_six_levels_become_the_context_of_what_is_below_them() -> None:
    levels = "".join(f"<h{level}>Level {level}</h{level}><p>{SENTENCE * 3}</p>" for level in range(1, 7))
    _, chunks = chunks_of(page(levels), 96)
    assert [chunk.text.splitlines()[0] for chunk in chunks] == [f"{'#' * level} Level {level}" for level in range(1, 7)]
    deepest = chunks[-1]
    assert "Level 5" in deepest.context
    assert deepest.text.startswith("###### Level 6")


def test_tables_and_lists_that_fit_stay_whole() -> None:
    rows = "".join(f"<tr><td>name {row}</td><td>{row * 11}</td></tr>" for row in range(6))
    items = "".join(f"<li>point number {number} of the list</li>" for number in range(6))
    table = f"<h2>Catches</h2><table><tr><th>Boat</th><th>Kilograms</th></tr>{rows}</table>"
    body = f"<p>{SENTENCE * 6}</p>{table}<h2>Points</h2><ul>{items}</ul><p>{SENTENCE * 6}</p>"
    _, chunks = chunks_of(page(body), 128)
    assert any(
        "| Boat | Kilograms |" in chunk.text and "name 0" in chunk.text and "name 5" in chunk.text for chunk in chunks
    )
    assert any("point number 0" in chunk.text and "point number 5" in chunk.text for chunk in chunks)


def test_rows_of_a_table_that_does_not_fit_are_told_its_head() -> None:
    rows = "".join(f"<tr><td>name {row}</td><td>{SENTENCE}</td></tr>" for row in range(30))
    _, chunks = chunks_of(page(f"<h2>Catches</h2><table><tr><th>Boat</th><th>Remark</th></tr>{rows}</table>"), 96)
    holding = [chunk for chunk in chunks if "| name " in chunk.text]
    assert len(holding) > 5
    assert all("| Boat | Remark |" in chunk.embedded_text for chunk in holding)


@pytest.mark.skipif(not MANUAL.is_dir(), reason="the PostgreSQL manual is not installed")
@pytest.mark.parametrize("name", ["sql-select", "runtime-config-wal", "datatype-numeric"])
def test_chunks_of_real_pages_stand_below_their_headings(name: str) -> None:
    text, chunks = chunks_of((MANUAL / f"{name}.html").read_text(encoding="utf-8"))
    headings = [(found.start(), len(found[1]), found[2].strip()) for found in re.finditer(r"(?m)^(#{1,6}) (.+)$", text)]
    assert len(headings) > 2
    below = 0
    for chunk in chunks:
        path: list[tuple[int, str]] = []
        for start, level, title in headings:
            if start < chunk.start:
                path = [*(above for above in path if above[0] < level), (level, title)]
        if path and not chunk.text.startswith("#") and chunk.context:
            below += 1
            assert plain(path[-1][1])[:40] in plain(chunk.embedded_text)
    assert below >= len(chunks) // 4


def plain(heading: str) -> str:
    return re.sub(r"\W+", " ", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)).strip()

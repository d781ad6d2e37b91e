"""Jupyter notebooks: text as it is, code between fences, and what it printed; no images, no widgets."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from llm_engineering.domain.documents import Metadata
from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.parsers.markup import code_block
from llm_engineering.infrastructure.parsers.text import decode
from llm_engineering.infrastructure.sources.records import parse_json

_COLOURS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_OVERWRITTEN = re.compile(r"[^\n]*\r(?!\n)(?=[^\n])")  # a bar of progress is written over itself again and again
# What is printed for an object that is shown as a picture, such as `<Figure size 640x480 with 1 Axes>`.
_STANDS_FOR = re.compile(r"\[?<[\w.]+ (?:object|size|at 0x)[^<>\n]*>\]?")
_MOST_OUTPUT = 4000  # characters of one output: logs of a training run say little to a reader


def read_notebook(raw: bytes) -> tuple[str, str, Metadata]:
    """Return text, title (the first heading) and metadata (the language) of a notebook.

    Raises:
        SourceError: `binary`, `invalid_json`, `wrong_shape`, `empty`.
    """
    from llm_engineering.infrastructure.sources.contents import title_in

    content = parse_json(decode(raw))
    if not isinstance(content, dict):
        raise SourceError("wrong_shape", "it is no notebook: expected a JSON object with `cells`")
    cells = content.get("cells")
    if cells is None and isinstance(content.get("worksheets"), list):  # version 3
        cells = [
            cell for sheet in content["worksheets"] if isinstance(sheet, dict) for cell in _list(sheet.get("cells"))
        ]
    if not isinstance(cells, list):
        raise SourceError("wrong_shape", "it is no notebook: it has no list `cells`")
    language = _language(content)
    blocks = [block for cell in cells if isinstance(cell, dict) for block in _blocks(cell, language)]
    text = "\n\n".join(block for block in blocks if block.strip())
    if not text:
        raise SourceError("empty", "none of its cells holds anything")
    return text, title_in(text, "markdown"), {"language": language}


def _language(content: Mapping[str, Any]) -> str:
    said = content.get("metadata")
    said = said if isinstance(said, dict) else {}
    for place in ("language_info", "kernelspec"):
        info = said.get(place)
        if isinstance(info, dict) and isinstance(name := info.get("name" if "info" in place else "language"), str):
            return " ".join(name.replace("`", " ").split())[:50] or "python"  # it stands behind a fence
    return "python"


def _blocks(cell: Mapping[str, Any], language: str) -> Iterator[str]:
    source = _text(cell.get("source", cell.get("input", "")))
    if cell.get("cell_type") != "code":
        level = cell.get("level")
        yield f"{'#' * max(1, min(level, 6))} {source}" if isinstance(level, int) else source
        return
    if source.strip():
        yield code_block(source, language)
    for output in _list(cell.get("outputs")):
        printed = _shown(_printed(output)) if isinstance(output, dict) else ""
        if printed.strip():
            cut = f"{printed[:_MOST_OUTPUT]}\n…" if len(printed) > _MOST_OUTPUT else printed
            yield code_block(cut, "text")


def _shown(printed: str) -> str:
    """Return what a terminal shows in the end: no control sequences, and no text that was written over."""
    return _OVERWRITTEN.sub("", _COLOURS.sub("", printed))


def _printed(output: Mapping[str, Any]) -> str:
    data = output.get("data")
    if isinstance(data, dict):
        forms = (_text(data.get(f"text/{form}", "")) for form in ("markdown", "plain", "latex"))
        return next((form for form in forms if form.strip() and not _STANDS_FOR.fullmatch(form.strip())), "")
    if output.get("output_type") == "error":
        return f"{_text(output.get('ename', ''))}: {_text(output.get('evalue', ''))}"
    return _text(output.get("text", ""))


def _list(found: object) -> list[Any]:
    return found if isinstance(found, list) else []


def _text(source: object) -> str:
    """Return a text that may be a list of its lines; halves of surrogate pairs, which JSON can hold, are replaced."""
    lines = source if isinstance(source, list) else [source]
    joined = "".join(line for line in lines if isinstance(line, str))
    return joined.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")

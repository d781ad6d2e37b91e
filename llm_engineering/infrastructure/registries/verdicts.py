"""The verdicts on the versions of a model: files beside them, none of which is ever replaced."""

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from llm_engineering.infrastructure.vector_stores.folders import replace_file

FOLDER = "verdicts"


def keep_verdict(place: Path, name: str, text: str) -> Path:
    """Keep a verdict in the folder of a model under a free name, and return where it lies."""
    folder = place / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = next(path for path in _free_names(folder, name) if not path.exists())
    replace_file(path, text)
    return path


def verdicts_in(place: Path) -> Sequence[Path]:
    """Return the files of all verdicts on a model, oldest first."""
    return sorted((place / FOLDER).glob("*.json"), key=lambda path: path.stat().st_mtime)


def _free_names(folder: Path, name: str) -> Iterator[Path]:
    yield folder / f"{name}.json"
    for number in count(2):
        yield folder / f"{name}-{number}.json"

"""Where the files of an export lie.

FOLDER/
    manifest.json                                     written last: without it there is no export
    documents/source=<name>/part-00000.parquet        FeatureDocument, by id
    chunks/source=<name>/part-00000.parquet           FeatureChunk, by document and position
    unfinished                                        there while an export is being written, and after it was killed

Names of sources are percent-encoded, as Hive's partitions are. One that no folder can be called by, or that readers
would take for something else, is cut and gets a digest; column `source_name` has every name in full.
"""

import os
import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from llm_engineering.infrastructure.warehouse.exact_text import storable

MANIFEST = "manifest.json"
UNFINISHED = "unfinished"
PART = "part-00000.parquet"
TABLES = ("documents", "chunks")
LONGEST = 150  # bytes of a partition's value; file systems take 255 for a name

# What a path in a manifest may look like: nothing that leaves the folder.
PATH = re.compile(r"(documents|chunks)/source=[A-Za-z0-9_.~%-]{0,240}/part-[0-9]{5}\.parquet")
_FOLDER = re.compile(r"(documents|chunks)(/source=[A-Za-z0-9_.~%-]{0,240})?")
# Hive's word for "no value"; an empty value is one that some readers take for none.
_NO_VALUE = {"", "__HIVE_DEFAULT_PARTITION__"}


def partitions(sources: Sequence[str]) -> dict[str, str]:
    """Return source → name of its partition; the names differ even where case does not count.

    >>> partitions(["docs", "a/b=c"])
    {'a/b=c': 'source=a%2Fb%3Dc', 'docs': 'source=docs'}
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for source in sorted(sources):
        value = quote(storable(source), safe="")
        if source in _NO_VALUE or len(value) > LONGEST or value.casefold() in taken:
            value = _cut(source)
        taken.add(value.casefold())
        names[source] = f"source={value}"
    return names


def strangers(folder: Path) -> Iterator[str]:
    """Yield the paths below a folder, relative to it, that no export makes. Links are strangers."""
    for path, is_folder in _below(folder):
        valid = _FOLDER.fullmatch(path) if is_folder else PATH.fullmatch(path) or path in (MANIFEST, UNFINISHED)
        if not valid or (folder / path).is_symlink():
            yield path


def parts(folder: Path) -> Iterator[str]:
    """Yield the paths of the Parquet files of an export, relative to its folder."""
    return (path for path, is_folder in _below(folder) if not is_folder and PATH.fullmatch(path))


def _below(folder: Path) -> Iterator[tuple[str, bool]]:
    for parent, folders, files in os.walk(folder):
        place = Path(parent).relative_to(folder)
        yield from (((place / name).as_posix(), True) for name in sorted(folders))
        yield from (((place / name).as_posix(), False) for name in sorted(files))


def _cut(source: str) -> str:
    """Return the beginning of a name, percent-encoded, and a digest of all of it."""
    mark = sha256(storable(source).encode()).hexdigest()[:16]
    start = source
    while len(value := quote(storable(start), safe="")) > LONGEST:
        start = start[: len(start) * LONGEST // len(value)]
    return f"{value}~{mark}"

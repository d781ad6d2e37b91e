"""Look for texts in all bytes of a folder, in whatever form: raw, escaped, in UTF-16, in Parquet, in git objects."""

import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path


def places_of(home: Path, canaries: Sequence[str]) -> list[str]:
    """Return `canary in path` for each file that holds one in its name or its content, ignoring case."""
    wanted = {form.lower(): canary for canary in canaries for form in _forms(canary)}
    found = []
    for path in sorted(home.rglob("*")):
        contents = [str(path.relative_to(home)).encode(), *(_contents(path) if path.is_file() else [])]
        lowered = [content.lower() for content in contents]
        for form, canary in wanted.items():
            if any(form in content for content in lowered):
                found.append(f"{canary} in {path.relative_to(home)}")
    return sorted(set(found))


def _forms(canary: str) -> Iterator[bytes]:
    yield canary.encode()
    yield json.dumps(canary)[1:-1].encode()
    yield canary.encode("utf-16-le")
    yield canary.encode("utf-16-be")


def _contents(path: Path) -> Iterator[bytes]:
    raw = _without_holes(path)
    yield raw
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        yield str(pq.read_table(path).to_pydict()).encode()
    elif raw[:1] == b"\x78":
        try:
            yield zlib.decompress(raw)
        except zlib.error:
            return


def _without_holes(path: Path) -> bytes:
    """Read a file less its blocks of zeros: an engine reserves 32 MB for a few kilobytes."""
    with path.open("rb") as file:
        return b"".join(block for block in iter(lambda: file.read(65_536), b"") if block.count(0) < len(block))

"""The files of a model on their way into the registry: which are let in, their digests, and whether all is finite."""

import hashlib
import json
import os
import shutil
import stat
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.models import ModelFile
from llm_engineering.infrastructure.embedders.model_files import HARMLESS, REFUSED, sha256_of

# A model's own description may travel with it; nobody reads it.
LET_IN = HARMLESS | {".md", ".jinja"}
_BLOCK = 1 << 24
_LONGEST_HEADER = 100_000_000
# The exponent is all ones in infinities and in what is no number. E4M3 has no infinity, and one number that is none.
_NOT_FINITE = {
    "F64": ("<u8", 0x7FF0_0000_0000_0000),
    "F32": ("<u4", 0x7F80_0000),
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),
    "F8_E5M2": ("<u1", 0x7C),
    "F8_E4M3": ("<u1", 0x7F),
}


def copy_files(source: Path, target: Path) -> tuple[ModelFile, ...]:
    """Copy the files of a model and return them as they are in the copy. Hidden ones (`.git`, `.gitattributes`,
    `.DS_Store`) are no part of a model and are left behind.

    Raises:
        UsageError: there is none, or one of them is a link, may hold code, or names other files to be fetched.
    """
    if source.is_symlink() or not source.is_dir():
        raise UsageError(
            f"there is no folder {str(source)!r} to register; give the folder that holds the model's files"
        )
    paths = sorted(path for path in files_below(source) if not _is_hidden(path.relative_to(source)))
    for path in paths:
        _let_in(path, source)
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy, follow_symlinks=False)
    return tuple(file_of(target / path.relative_to(source), target) for path in paths)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def files_below(folder: Path) -> Iterator[Path]:
    """Yield everything below a folder that is no folder itself: a link to a folder is not entered."""
    for place, folders, names in os.walk(folder):
        linked = [name for name in folders if Path(place, name).is_symlink()]
        yield from (Path(place, name) for name in [*names, *linked])


def file_of(path: Path, folder: Path) -> ModelFile:
    """Describe a file of a folder."""
    return ModelFile(path=path.relative_to(folder).as_posix(), sha256=sha256_of(path), bytes=path.lstat().st_size)


def weights_digest(files: Sequence[ModelFile]) -> str:
    """Return the SHA-256 of the weights as embedders show it: of one file its own, of several that of their listing."""
    weights = sorted(
        (file for file in files if file.path.endswith(".safetensors")),
        key=lambda file: (Path(file.path).parent, Path(file.path)),
    )
    if len(weights) < 2:
        return weights[0].sha256 if weights else ""
    listing = "".join(f"{file.sha256}  {file.path}\n" for file in weights)
    return hashlib.sha256(listing.encode()).hexdigest()


def check_finite(path: Path) -> None:
    """Refuse weights that hold an infinity or something that is no number.

    Raises:
        UsageError: they do, or the file is no safetensors file.
    """
    with path.open("rb") as file:
        header, start = _header(file, path)
        for name, entry in header.items():
            kind, (first, last) = entry["dtype"], entry["data_offsets"]
            if kind in _NOT_FINITE and _has_other(file, start + first, last - first, *_NOT_FINITE[kind]):
                raise UsageError(
                    f"the weights in {path.name} are not finite: {name!r} holds NaN or infinity. Training went wrong "
                    "(its learning rate may be too high); nothing was registered"
                )


def _has_other(file: Any, start: int, length: int, dtype: str, mask: int) -> bool:
    import numpy as np

    file.seek(start)
    while length > 0:
        block: np.ndarray[Any, Any] = np.frombuffer(file.read(min(_BLOCK, length)), dtype)
        length -= _BLOCK
        if ((block & mask) == mask).any():
            return True
    return False


def _header(file: Any, path: Path) -> tuple[dict[str, Any], int]:
    """Return the description of the tensors, and where their bytes begin, both compared with the file's length."""
    size = path.stat().st_size
    try:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(min(length, _LONGEST_HEADER)))
        header.pop("__metadata__", None)
        spans = [(*entry["data_offsets"], entry["dtype"] in _NOT_FINITE) for entry in header.values()]
        whole = all(0 <= first <= last <= size - 8 - length for first, last, _ in spans)
    except (ValueError, KeyError, TypeError, AttributeError, struct.error, RecursionError) as error:
        raise UsageError(f"{path.name} is no safetensors file: {error}. Save the model again as safetensors") from error
    if not whole:
        raise UsageError(f"{path.name} is no safetensors file: a tensor lies outside of it. Save the model again")
    return header, 8 + length


def _let_in(path: Path, source: Path) -> None:
    name = path.relative_to(source).as_posix()
    if not stat.S_ISREG(path.lstat().st_mode):
        raise UsageError(f"{name} in {source} is a link or no plain file; copy the file itself there")
    if path.name in REFUSED:
        raise UsageError(
            f"{name} in {source} names another model that would be fetched without any check; merge the adapter into "
            "the model and register the whole"
        )
    if path.suffix not in LET_IN:
        raise UsageError(
            f"{name} in {source} is not let in: pickled weights and Python files can run code. Files of a model are "
            f"{', '.join(sorted(LET_IN))}; save weights as safetensors, and leave everything else out"
        )

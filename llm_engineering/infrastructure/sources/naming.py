"""What a source may be called, and where it may be."""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

_NO_TEXT = frozenset(["Cc", "Cs", "Zl", "Zp"])  # control characters, halves of surrogate pairs, line ends


def readable(name: str) -> str:
    """Return a name that a person can read and every store can hold.

    Raises:
        ValueError: it is blank, or has line ends or control characters.
    """
    if not name.strip() or any(unicodedata.category(character) in _NO_TEXT for character in name):
        raise ValueError(
            f"{name!r} is no name: write letters, digits or marks on one line, for example handbook; without this "
            "setting, the default is taken"
        )
    return name


def named_twice(names: Iterable[str]) -> list[str]:
    """Return the names that are there more than once, in ascending order."""
    return sorted(name for name, count in Counter(names).items() if count > 1)


def _place(path: Any) -> Any:
    if isinstance(path, str) and not path.strip():
        raise ValueError("a blank is no path; write a folder or a file, or . for the working folder")
    return path


SourceName = Annotated[str, AfterValidator(readable)]
SourcePath = Annotated[Path, BeforeValidator(_place)]

"""Functions of a user's own that stumble over some documents, and work that says where it was done."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass


def clean(text: str, format: str) -> str:
    if "volcano" in text:
        raise ValueError(f"cannot clean {text!r}")
    return text


def chunk(text: str) -> list[tuple[int, int]]:
    if "glacier" in text:
        raise KeyError("no heading")
    return [(0, len(text))]


def never(text: str, format: str) -> str:
    raise RuntimeError("always so")


def one_argument(text: str) -> str:
    return text


@dataclass(frozen=True)
class Numbered:
    """Says the number of the process that does the work."""

    def open(self) -> Callable[[Sequence[int]], list[int]]:
        return lambda rows: [os.getpid() for _ in rows]

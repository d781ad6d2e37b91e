"""Whether a model could have learnt what it is judged by."""

import unicodedata
from collections.abc import Callable, Iterable, Sequence

from llm_engineering.domain.datasets import DatasetRow, documents_learned

_SHOWN = 3


def leaks(rows: Iterable[DatasetRow]) -> list[str]:
    """Return what rows to learn from and held-out rows have in common; nothing, if the split is clean.

    Question and passage are compared by their words: case, width and white space do not count.
    """
    held: list[DatasetRow] = []
    learnt: list[DatasetRow] = []
    for row in rows:
        (held if row.split == "test" else learnt).append(row)
    return [problem for name, keys in _KEYS.items() if (problem := _common(name, keys, learnt, held))]


def questions_in_common(learnt: Iterable[DatasetRow], held: Iterable[DatasetRow]) -> int:
    """Count the held-out rows whose question stands among rows to learn from, by its words."""
    keys = _KEYS["question"]
    known = {key for row in learnt for key in keys(row) if key}
    return sum(not known.isdisjoint(keys(row)) for row in held)


def _common(
    name: str,
    keys: Callable[[DatasetRow], Iterable[str]],
    learnt: Sequence[DatasetRow],
    held: Sequence[DatasetRow],
) -> str:
    known = {key for row in held for key in keys(row) if key}
    found = [row.id for row in learnt if not known.isdisjoint(keys(row))]
    if not found:
        return ""
    shown = ", ".join(found[:_SHOWN]) + (" …" if len(found) > _SHOWN else "")
    return f"{len(found)} rows to learn from have the {name} of held-out rows: {shown}"


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


_KEYS: dict[str, Callable[[DatasetRow], Iterable[str]]] = {
    "id": lambda row: (row.id,),
    "question": lambda row: (_plain(getattr(row, "question", "") or getattr(row, "instruction", "")),),
    "document": lambda row: documents_learned([row]),
    "passage": lambda row: (_plain(row.passage),),
    "cluster": lambda row: (row.cluster,),
}

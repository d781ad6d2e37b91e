"""Whether a model could have learnt what it is judged by."""

import unicodedata
from collections.abc import Callable, Iterable, Sequence

from llm_engineering.domain.datasets import RetrievalPair

_SHOWN = 3


def leaks(rows: Iterable[RetrievalPair]) -> list[str]:
    """Return what rows to learn from and held-out rows have in common; nothing, if the split is clean.

    Question and passage are compared by their words: case, width and white space do not count.
    """
    held: list[RetrievalPair] = []
    learnt: list[RetrievalPair] = []
    for row in rows:
        (held if row.split == "test" else learnt).append(row)
    return [problem for name, keys in _KEYS.items() if (problem := _common(name, keys, learnt, held))]


def _common(
    name: str,
    keys: Callable[[RetrievalPair], Iterable[str]],
    learnt: Sequence[RetrievalPair],
    held: Sequence[RetrievalPair],
) -> str:
    known = {key for row in held for key in keys(row) if key}
    found = [row.id for row in learnt if not known.isdisjoint(keys(row))]
    if not found:
        return ""
    shown = ", ".join(found[:_SHOWN]) + (" …" if len(found) > _SHOWN else "")
    return f"{len(found)} rows to learn from have the {name} of held-out rows: {shown}"


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


_KEYS: dict[str, Callable[[RetrievalPair], Iterable[str]]] = {
    "id": lambda row: (row.id,),
    "question": lambda row: (_plain(row.question),),
    "document": lambda row: (row.document_id, *row.documents),
    "passage": lambda row: (_plain(row.passage),),
    "cluster": lambda row: (row.cluster,),
}

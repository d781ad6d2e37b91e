"""The held-out split: what no trainer may see, and what an evaluation asks."""

import json
from collections.abc import Iterable, Sequence
from typing import TypeVar

from llm_engineering.domain.datasets import DatasetRow, HeldQuestion, RetrievalPair, Split
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.value import identity

Row = TypeVar("Row", bound=DatasetRow)
TRAINABLE = frozenset({Split.TRAIN.value, Split.VALIDATION.value})


def refuse_held_out(rows: Iterable[Row]) -> Sequence[Row]:
    """Return rows that a trainer may learn from and stop by. Every trainer calls this before anything else.

    Raises:
        UsageError: a row is held out, or says of no known split what it is for; the message names it.
    """
    known = list(rows)
    for row in known:
        if row.split not in TRAINABLE:
            raise UsageError(
                f"row {row.id} of the data set is in split {row.split!r}, and a trainer may see only those of "
                f"{' and '.join(sorted(TRAINABLE))}: a model that learnt from held-out rows cannot be judged by them"
            )
    return known


def held_questions(rows: Iterable[RetrievalPair]) -> list[HeldQuestion]:
    """Return the questions of rows to evaluate with, each once, in the order of the rows.

    Rows of one question and one filter are one question, answered by the documents of them all.
    """
    texts: dict[str, tuple[str, str, str]] = {}
    documents: dict[str, dict[str, None]] = {}
    for row in rows:
        key = identity("question", row.question, row.filter)
        texts.setdefault(key, (row.question, row.filter, row.source))
        documents.setdefault(key, {}).update(dict.fromkeys(row.documents))
    return [
        HeldQuestion(key, text, tuple(documents[key]), json.loads(limits) if limits else {}, source)
        for key, (text, limits, source) in texts.items()
    ]

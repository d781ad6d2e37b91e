"""From the rows of a table to questions, or to the reason why a row is none."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from pydantic import ValidationError

from llm_engineering.application.answering.batch_settings import BatchSettings
from llm_engineering.domain.answers import Question
from llm_engineering.domain.batches import BatchRow
from llm_engineering.domain.conditions import Condition, condition_of
from llm_engineering.domain.value import Scalar, digest

# Whose the receipts of a batch are; `tools.replay` finds them by the id of the answer.
OWNER = "batch"
LONGEST_QUESTION = 20_000
# What is no question is shown by its beginning.
SHOWN = 200


def questions_of(rows: Iterable[Mapping[str, object]], settings: BatchSettings) -> Iterator[BatchRow]:
    """Yield a question for each row.

    A row's key is the digest of its question and its filter (or of what is wrong with them), and of how many equal ones
    stand before it: rows may be added, removed and sorted between two runs, and equal questions are all asked.
    """
    seen: Counter[str] = Counter()
    for position, row in enumerate(rows):
        text, mistake = _text_of(row.get(settings.question))
        filters: dict[str, Scalar | list[Scalar]] = {}
        for name in () if mistake else settings.filters:
            value, wrong = _filter_of(row.get(name))
            mistake = mistake or (f"{name}: {wrong}" if wrong else "")
            filters |= {} if value is None else {name: value}
        question, mistake = (None, mistake) if mistake else _question(text, filters, settings)
        # What is no question is none of those that have its text: their answers are not its.
        content = digest([text, filters, *([mistake] if mistake else [])])
        key = digest([content, seen[content]])
        seen[content] += 1
        label = row.get(settings.id) if settings.id else None
        yield BatchRow(
            position=position,
            key=key,
            id="" if label is None else _printable(str(label))[:SHOWN],
            text=text if question else _printable(text)[:SHOWN],
            question=question,
            mistake=mistake,
        )


def _text_of(value: object) -> tuple[str, str]:
    """Return a cell as a question, and what is wrong with it."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "", "the question is empty"
    if not isinstance(value, str):
        return str(value)[:LONGEST_QUESTION], f"the question is of type {type(value).__name__}; write a text"
    text = value.strip()
    if not text:
        return "", "the question is empty"
    if len(text) > LONGEST_QUESTION:
        return text, f"the question has {len(text)} characters; the most are {LONGEST_QUESTION}"
    if "\0" in text:
        return text, "the question holds NUL characters; is the table in another encoding (batch.encoding)?"
    if _printable(text) != text:
        return text, "the question holds half a character (a lone surrogate)"
    return text, ""


def _filter_of(value: object) -> tuple[Scalar | list[Scalar] | None, str]:
    """Return a cell as what a search is limited to (None: nothing), and what is wrong with it."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None, ""
    if isinstance(value, str | int | float | bool):
        return value, ""
    if isinstance(value, list) and all(isinstance(one, str | int | float | bool) for one in value):
        return value, ""
    return None, f"a search cannot be limited by a {type(value).__name__}"


def _question(
    text: str, filters: Mapping[str, Scalar | list[Scalar]], settings: BatchSettings
) -> tuple[Question | None, str]:
    condition: Condition | None = condition_of(filters) if filters else None
    try:
        return Question(
            text=text,
            filter=condition,
            access=settings.access,
            k=settings.k,
            llm=settings.llm,
            owner=OWNER,
            whole=True,
        ), ""
    except ValidationError as error:
        return None, "; ".join(mistake["msg"] for mistake in error.errors())


def _printable(text: str) -> str:
    return text.encode(errors="replace").decode()

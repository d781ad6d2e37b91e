"""Questions from a table, and their answers: one row out for each row in."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from llm_engineering.domain.answers import Question
from llm_engineering.domain.value import Value

# `error_code` of a row that was not asked because the budget was spent.
BUDGET = "budget"


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A row of the input: its position from 0 on, the key of its content and place, and its question, or why it has
    none."""

    position: int
    key: str
    id: str
    text: str
    question: Question | None = None
    mistake: str = ""


@dataclass(frozen=True)
class AnswerRow:
    """A row of the output. `citations` and `versions` are JSON; `confidence` and `cost` (US dollars) are NaN where they
    are not known; `seconds` is the whole time of this row. `documents` names all that were found for it, cited or not:
    when one of them is erased, the row goes. It is no column of the output.

    `outcome` says what became of it. answered, no_answer: the assistant said so. rejected: it is no question. failed:
    no answer came about. unasked: the budget was spent before its turn came.
    """

    position: int
    key: str
    id: str
    question: str
    answer: str
    outcome: str
    citations: str
    confidence: float
    flags: tuple[str, ...]
    versions: str
    input_tokens: int
    output_tokens: int
    cost: float
    seconds: float
    cached: bool
    answer_id: str
    error_code: str
    error: str
    documents: tuple[str, ...]


class AnswerJournal(Protocol):
    """What became of rows, kept as soon as it is known, so that a run after a kill pays for no answer twice."""

    def finished(self, key: str) -> AnswerRow | None:
        """Return the answer of a row that was asked before, or None if it is still to be asked."""
        ...

    def keep(self, row: AnswerRow) -> None:
        """Keep what became of a row; what is kept survives a kill of the process.

        Raises:
            BackendError: it could not be written.
        """
        ...


class BatchPlan(Value):
    """What a table of questions holds: its rows, its columns, and how many of the rows are answered already."""

    run: int = 0
    input: Path
    output: Path
    fingerprint: str
    journal: str
    rows: int
    columns: tuple[str, ...]
    answered_before: int = 0

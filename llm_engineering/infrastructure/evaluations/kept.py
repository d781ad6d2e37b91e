"""What evaluations of all kinds have in common: folders with a card, rows as Parquet, and a page.

<folder>/<id>/
    evaluation.json       the evaluation, and which folder holds its rows; replaced in one step, so it is whole
    <rows>-<number>/      a row for each question, or for each score of an answer
    report.html           the report for a person
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import ClassVar, Generic, TypeVar, cast
from uuid import uuid4

from loguru import logger
from pydantic import ValidationError

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.evaluation import Evaluation, QuestionOutcome
from llm_engineering.domain.llm_evaluation import ContentScore, LlmEvaluationResult
from llm_engineering.infrastructure.vector_stores.folders import replace_file

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
CARD = "evaluation.json"
PAGE = "report.html"

Card = TypeVar("Card", Evaluation, LlmEvaluationResult)
Row = TypeVar("Row", QuestionOutcome, ContentScore)


class KeptEvaluations(Generic[Card, Row]):
    """Evaluations of one kind in a home. A subclass says of which kind, and what its rows are called."""

    FOLDER: ClassVar[str]
    ROWS: ClassVar[str]
    WHAT: ClassVar[str]
    PIPELINE: ClassVar[str]

    def __init__(self, home: Path, card: type[Card], row: type[Row]) -> None:
        self.folder = home / self.FOLDER
        self._card: type[Card] = card
        self._row: type[Row] = row

    def find(self, id: str) -> tuple[Card, Sequence[Row]]:
        """Return an evaluation with its rows.

        Raises:
            UsageError: there is none of this id, or its files were changed.
        """
        from llm_engineering.infrastructure.parquet import read_dataset

        folder = self.folder / id
        if not ID.fullmatch(id) or not (folder / CARD).is_file():
            known = ", ".join(f"{one.id} ({one.name})" for one in self.all()) or "none yet"
            raise UsageError(
                f"there is no {self.WHAT} {id!r}; there are: {known}. `poetry poe {self.PIPELINE}` makes one"
            )
        evaluation, name, fingerprint = self._read(folder)
        try:
            rows = read_dataset(folder / name)
            same = rows.fingerprint() == fingerprint and rows.row_type is self._row
        except BackendError as error:
            raise UsageError(f"the {self.ROWS} of {self.WHAT} {id} cannot be read: {error}; evaluate again") from error
        if not same:
            raise UsageError(f"the {self.ROWS} of {self.WHAT} {id} in {folder} were changed; evaluate again")
        return evaluation, cast("list[Row]", list(rows))

    def all(self) -> Sequence[Card]:
        """Return all evaluations, oldest first; one that cannot be read is left out, and the log says so."""
        found = []
        for card in sorted(self.folder.glob(f"*/{CARD}")):
            try:
                found.append(self._read(card.parent)[0])
            except UsageError as error:
                logger.warning("{}", error)
        return sorted(found, key=lambda one: (one.created_at, one.id))

    def keep_page(self, id: str, page: str) -> Path:
        """Keep the report of an evaluation as HTML, and return where it lies.

        Raises:
            BackendError: it cannot be written.
        """
        folder = self._of(id)
        with _translated(folder):
            folder.mkdir(parents=True, exist_ok=True)
            replace_file(folder / PAGE, page)
        return folder / PAGE

    def _keep(self, evaluation: Card, rows: Sequence[Row]) -> None:
        """Keep an evaluation with its rows; one of the same id is replaced."""
        from llm_engineering.infrastructure.parquet import write_dataset

        folder, name = self._of(evaluation.id), f"{self.ROWS}-{uuid4().hex}"
        with _translated(folder):
            written = write_dataset(rows, self._row, folder / name)
            card = {
                "evaluation": evaluation.model_dump(mode="json"),
                self.ROWS: name,
                "fingerprint": written.fingerprint(),
            }
            replace_file(folder / CARD, json.dumps(card, indent=2, ensure_ascii=True) + "\n")
            for old in folder.glob(f"{self.ROWS}-*"):
                if old.name != name:
                    rmtree(old, ignore_errors=True)

    def _of(self, id: str) -> Path:
        if not ID.fullmatch(id):
            raise UsageError(f"{id!r} is no id of an evaluation; use up to 63 letters, digits, '-' and '_'")
        return self.folder / id

    def _read(self, folder: Path) -> tuple[Card, str, str]:
        try:
            card = json.loads((folder / CARD).read_text(encoding="utf-8"))
            evaluation = self._card.model_validate(card["evaluation"])
            name, fingerprint = str(card[self.ROWS]), str(card["fingerprint"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError, ValidationError) as error:
            kind = type(error).__name__
            raise UsageError(
                f"{folder / CARD} is no {self.WHAT} ({kind}); remove the folder and evaluate again"
            ) from error
        if evaluation.id != folder.name or not re.fullmatch(rf"{self.ROWS}-[0-9a-f]{{32}}", name):
            raise UsageError(f"{folder / CARD} was changed; remove the folder and evaluate again")
        return evaluation, name, fingerprint


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackendError(f"the evaluation in {folder} cannot be written: {error}; make room and run again") from error

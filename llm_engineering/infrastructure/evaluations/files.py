"""Evaluations in folders.

evaluations/<id>/
    evaluation.json         the evaluation, and which folder holds its outcomes; replaced in one step, so what is found
                            is whole
    outcomes-<number>/      the outcome of each question, as Parquet
    report.html             the report for a person
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import cast
from uuid import uuid4

from loguru import logger
from pydantic import ValidationError

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.evaluation import Evaluation, QuestionOutcome
from llm_engineering.infrastructure.vector_stores.folders import replace_file

FOLDER = "evaluations"
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
CARD = "evaluation.json"
PAGE = "report.html"
OUTCOMES = re.compile(r"outcomes-[0-9a-f]{32}")


class EvaluationFiles:
    """The port `EvaluationStore` over a home."""

    def __init__(self, home: Path) -> None:
        self.folder = home / FOLDER

    def write(self, evaluation: Evaluation, outcomes: Sequence[QuestionOutcome]) -> None:
        from llm_engineering.infrastructure.parquet import write_dataset

        folder = self._of(evaluation.id)
        name = f"outcomes-{uuid4().hex}"
        rows = write_dataset(outcomes, QuestionOutcome, folder / name)
        card = {"evaluation": evaluation.model_dump(mode="json"), "outcomes": name, "fingerprint": rows.fingerprint()}
        with _translated(folder):
            replace_file(folder / CARD, json.dumps(card, indent=2, ensure_ascii=True) + "\n")
            for old in folder.glob("outcomes-*"):
                if old.name != name:
                    rmtree(old, ignore_errors=True)

    def find(self, id: str) -> tuple[Evaluation, Sequence[QuestionOutcome]]:
        """Return an evaluation with its outcomes.

        Raises:
            UsageError: there is none of this id, or its files were changed.
        """
        from llm_engineering.infrastructure.parquet import read_dataset

        folder = self.folder / id
        if not ID.fullmatch(id) or not (folder / CARD).is_file():
            known = ", ".join(f"{one.id} ({one.name})" for one in self.all()) or "none yet"
            raise UsageError(
                f"there is no evaluation {id!r}; there are: {known}. `poetry poe run-evaluation-pipeline` makes one"
            )
        evaluation, name, fingerprint = _read(folder)
        try:
            rows = read_dataset(folder / name)
            same = rows.fingerprint() == fingerprint and rows.row_type is QuestionOutcome
        except BackendError as error:
            raise UsageError(f"the outcomes of evaluation {id} cannot be read: {error}; evaluate again") from error
        if not same:
            raise UsageError(f"the outcomes of evaluation {id} in {folder} were changed; evaluate again")
        return evaluation, cast("list[QuestionOutcome]", list(rows))

    def all(self) -> Sequence[Evaluation]:
        """Return all evaluations, oldest first; one that cannot be read is left out, and the log says so."""
        found = []
        for card in sorted(self.folder.glob(f"*/{CARD}")):
            try:
                found.append(_read(card.parent)[0])
            except UsageError as error:
                logger.warning("{}", error)
        return sorted(found, key=lambda one: (one.created_at, one.id))

    def keep_page(self, id: str, page: str) -> Path:
        """Keep the report of an evaluation as HTML, and return where it lies."""
        folder = self._of(id)
        with _translated(folder):
            folder.mkdir(parents=True, exist_ok=True)
            replace_file(folder / PAGE, page)
        return folder / PAGE

    def _of(self, id: str) -> Path:
        if not ID.fullmatch(id):
            raise UsageError(f"{id!r} is no id of an evaluation; use up to 63 letters, digits, '-' and '_'")
        return self.folder / id


def _read(folder: Path) -> tuple[Evaluation, str, str]:
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        evaluation = Evaluation.model_validate(card["evaluation"])
        name, fingerprint = str(card["outcomes"]), str(card["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError, ValidationError) as error:
        kind = type(error).__name__
        raise UsageError(f"{folder / CARD} is no evaluation ({kind}); remove the folder and evaluate again") from error
    if evaluation.id != folder.name or not OUTCOMES.fullmatch(name):
        raise UsageError(f"{folder / CARD} was changed; remove the folder and evaluate again")
    return evaluation, name, fingerprint


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackendError(f"the evaluation in {folder} cannot be written: {error}") from error

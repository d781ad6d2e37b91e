"""Evaluations of language models in folders.

llm-evaluations/<id>/
    evaluation.json       the result, without texts, and which folder holds its scores; replaced in one step
    scores-<number>/      each score of each answer, as Parquet
    report.html           the report for a person, which quotes rows and answers
"""

import json
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree
from typing import cast
from uuid import uuid4

from loguru import logger
from pydantic import ValidationError

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.llm_evaluation import ContentScore, LlmEvaluationResult
from llm_engineering.infrastructure.evaluations.files import CARD, ID, PAGE
from llm_engineering.infrastructure.vector_stores.folders import replace_file

FOLDER = "llm-evaluations"


class LlmEvaluationFiles:
    """Evaluations of language models of a home, with the scores of each answer."""

    def __init__(self, home: Path) -> None:
        self.folder = home / FOLDER

    def write(self, result: LlmEvaluationResult, scores: Sequence[ContentScore], page: str) -> LlmEvaluationResult:
        """Keep a result with its scores and its report, and return it with the place of the report; one of the same
        id is replaced.

        Raises:
            BackendError: it cannot be written.
        """
        from llm_engineering.infrastructure.parquet import write_dataset

        folder, name = self.folder / result.id, f"scores-{uuid4().hex}"
        try:
            rows = write_dataset(scores, ContentScore, folder / name)
            result = result.model_copy(update={"page": str(folder / PAGE)})
            kept = result.model_copy(update={"shown": ()}).model_dump(mode="json")
            card = {"evaluation": kept, "scores": name, "fingerprint": rows.fingerprint()}
            replace_file(folder / PAGE, page)
            replace_file(folder / CARD, json.dumps(card, indent=2, ensure_ascii=True) + "\n")
        except OSError as error:
            raise BackendError(f"{folder} cannot be written: {error}; make room and run again") from error
        for old in folder.glob("scores-*"):
            if old.name != name:
                rmtree(old, ignore_errors=True)
        return result

    def find(self, id: str) -> tuple[LlmEvaluationResult, list[ContentScore]]:
        """Return a result with its scores.

        Raises:
            UsageError: there is none of this id, or its files were changed.
        """
        from llm_engineering.infrastructure.parquet import read_dataset

        folder = self.folder / id
        if not ID.fullmatch(id) or not (folder / CARD).is_file():
            known = ", ".join(f"{one.id} ({one.name})" for one in self.all()) or "none yet"
            raise UsageError(
                f"there is no evaluation of language models {id!r}; there are: {known}. "
                "`poetry poe run-llm-evaluation-pipeline` makes one"
            )
        result, name, fingerprint = _read(folder)
        try:
            rows = read_dataset(folder / name)
            same = rows.fingerprint() == fingerprint and rows.row_type is ContentScore
        except BackendError as error:
            raise UsageError(f"the scores of evaluation {id} cannot be read: {error}; evaluate again") from error
        if not same:
            raise UsageError(f"the scores of evaluation {id} in {folder} were changed; evaluate again")
        return result, cast("list[ContentScore]", list(rows))

    def all(self) -> Sequence[LlmEvaluationResult]:
        """Return all results, oldest first; one that cannot be read is left out, and the log says so."""
        found = []
        for card in sorted(self.folder.glob(f"*/{CARD}")):
            try:
                found.append(_read(card.parent)[0])
            except UsageError as error:
                logger.warning("{}", error)
        return sorted(found, key=lambda one: (one.created_at, one.id))


def _read(folder: Path) -> tuple[LlmEvaluationResult, str, str]:
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        result = LlmEvaluationResult.model_validate(card["evaluation"])
        name, fingerprint = str(card["scores"]), str(card["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError, ValidationError) as error:
        kind = type(error).__name__
        raise UsageError(f"{folder / CARD} is no evaluation ({kind}); remove the folder and evaluate again") from error
    if result.id != folder.name or not name.startswith("scores-") or "/" in name:
        raise UsageError(f"{folder / CARD} was changed; remove the folder and evaluate again")
    return result, name, fingerprint

"""Evaluations that asked about what is to be forgotten or found it, verdicts that name it, and unfinished trainings."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from llm_engineering.domain.erasure import MASK, Found
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.evaluation import Evaluation, QuestionOutcome
from llm_engineering.domain.traces import Traces, scrubbed
from llm_engineering.infrastructure.evaluations import EvaluationFiles
from llm_engineering.infrastructure.traces.files import mentions, remove
from llm_engineering.infrastructure.trainers.optimising import DOCUMENTS
from llm_engineering.infrastructure.vector_stores.folders import replace_file


@dataclass(frozen=True)
class Evaluations:
    """Evaluations of a home.

    One that asked about the documents goes as a whole: its questions can be asked no longer, so nothing can be compared
    with it. One that only found them keeps its figures and the places of what it found, under no name.
    """

    home: Path
    place: str = "evaluations"

    def find(self, traces: Traces) -> Found:
        items = tuple(folder.name for folder in self._folders() if self._concerns(folder, traces))
        return Found(place=self.place, what="evaluations, removed or without the documents' ids").with_items(items)

    def remove(self, items: Collection[str], traces: Traces) -> None:
        store = EvaluationFiles(self.home)
        for folder in self._folders():
            if folder.name not in items:
                continue
            read = _read(store, folder.name)
            if read is None or _asks_about(read, traces):
                remove(folder)
            else:
                store.write(read[0], [_without(one, traces.document_ids) for one in read[1]])
                remove(folder / "report.html")  # it quotes what was found; the next evaluation writes another one

    def _folders(self) -> Iterator[Path]:
        return (path for path in sorted((self.home / "evaluations").glob("*")) if path.is_dir())

    def _concerns(self, folder: Path, traces: Traces) -> bool:
        read = _read(EvaluationFiles(self.home), folder.name)
        files = [path for path in folder.rglob("*") if path.is_file()]
        return (read is not None and _asks_about(read, traces)) or any(mentions(path, traces) for path in files)


@dataclass(frozen=True)
class Verdicts:
    """Verdicts on models. They hold figures; names of sources and documents in them are masked."""

    home: Path
    place: str = "verdicts on models"

    def find(self, traces: Traces) -> Found:
        items = tuple(
            path.relative_to(self.home).as_posix()
            for path in sorted((self.home / "registry").glob("*/verdicts/*.json"))
            if mentions(path, traces)
        )
        return Found(place=self.place, what="verdicts, with its names masked").with_items(items)

    def remove(self, items: Collection[str], traces: Traces) -> None:
        for path in (self.home / item for item in items):
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
            except FileNotFoundError:
                continue
            except ValueError:
                remove(path)  # nobody can read it, and it mentions what has to go
                continue
            replace_file(path, json.dumps(scrubbed(content, traces), indent=1))


@dataclass(frozen=True)
class Trainings:
    """What killed trainings left: weights that may have learnt from the documents, and that say nothing of it.

    They go if any data set had rows of the documents. Those of language models name the documents that they learn
    from, and go if these are among them. A training that is run again begins anew.
    """

    home: Path
    place: str = "unfinished trainings"

    def find(self, traces: Traces) -> Found:
        from llm_engineering.infrastructure.datasets.files import DatasetFiles
        from llm_engineering.infrastructure.traces.datasets import concerns

        store = DatasetFiles(self.home)
        folders = sorted((self.home / "training").glob("*/*"))
        learnt = bool(folders) and any(concerns(store, card, traces) for card in store.all())
        items = tuple(
            folder.relative_to(self.home).as_posix()
            for folder in folders
            if (_learns_from(folder, traces) if (folder / DOCUMENTS).is_file() else learnt)
        )
        return Found(place=self.place, what="checkpoints").with_items(items)

    def remove(self, items: Collection[str], traces: Traces) -> None:  # noqa: ARG002 - one signature for all places
        for item in items:
            remove(self.home / item)


def _learns_from(folder: Path, traces: Traces) -> bool:
    """Tell whether an unfinished training, which names its documents, learns from one of these."""
    try:
        named = json.loads((folder / DOCUMENTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return True  # nobody can tell any more
    return not traces.document_ids.isdisjoint(named)


def _read(store: EvaluationFiles, id: str) -> tuple[Evaluation, list[QuestionOutcome]] | None:
    try:
        evaluation, outcomes = store.find(id)
    except UsageError:
        return None  # damaged: it is of use to nobody
    return evaluation, list(outcomes)


def _asks_about(read: tuple[Evaluation, list[QuestionOutcome]], traces: Traces) -> bool:
    evaluation, outcomes = read
    if traces.are_in(evaluation.model_dump_json()):
        return True
    return any(
        not traces.document_ids.isdisjoint(one.relevant)
        or traces.are_in(one.question)
        or any(map(traces.are_in, (*one.relevant, *one.slices)))
        for one in outcomes
    )


def _without(outcome: QuestionOutcome, document_ids: Collection[str]) -> QuestionOutcome:
    return replace(outcome, found=tuple(MASK if name in document_ids else name for name in outcome.found))

"""Ports of training: where models are kept, where runs are watched, where data sets and evaluations lie."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeVar

from llm_engineering.domain.datasets import DatasetCard, DatasetRow, Reply, RetrievalPair, Split
from llm_engineering.domain.evaluation import Evaluation, QuestionOutcome
from llm_engineering.domain.models import RegisteredModel, Stage, Switch
from llm_engineering.domain.value import Scalar

Row = TypeVar("Row", bound=DatasetRow)


class ModelRegistry(Protocol):
    """Versions of models by name, with their files and their stages. Everything in it can be read after a restart."""

    def register(self, model: RegisteredModel, folder: Path | None) -> RegisteredModel:
        """Take in a new version with the files of a folder; return it with its number, files and digests.

        Raises:
            UsageError: a name that is none, files that can run code, weights that are not finite.
        """
        ...

    def names(self) -> Sequence[str]:
        """Return the names of all models, sorted."""
        ...

    def versions(self, name: str) -> Sequence[RegisteredModel]:
        """Return all versions of a model, oldest first; none where there is no such model."""
        ...

    def find(self, reference: str) -> RegisteredModel:
        """Return the version of `NAME@NUMBER`, `NAME@STAGE`, or `NAME` (the one in production, else the newest).

        Raises:
            UsageError: there is none; the message lists what there is.
        """
        ...

    def folder(self, model: RegisteredModel) -> Path:
        """Return the folder with the files of a version, all of them compared with their digests.

        Raises:
            UsageError: a file is missing, was changed, or does not belong to it.
        """
        ...

    def set_stage(self, model: RegisteredModel, stage: Stage) -> RegisteredModel:
        """Move a version to a stage; the version that was in production or staging there is archived."""
        ...

    def keep(self, model: RegisteredModel) -> RegisteredModel:
        """Keep new facts about a version that is there: metrics, evaluations, index. Its files stay as they are.

        Raises:
            UsageError: its files, its kind or its name would change, or a figure is no number.
        """
        ...

    def switches(self, name: str) -> Sequence[Switch]:
        """Return what was in production of a model one after the other, oldest first."""
        ...

    def record(self, switch: Switch) -> None:
        """Note a switch, and set the stages that follow from it, in one step; one that is noted is not noted again."""
        ...

    def intend(self, switch: Switch) -> None:
        """Write down a switch that is about to be made, so that whoever comes after a kill can end it."""
        ...

    def intents(self) -> Sequence[Switch]:
        """Return the switches that were begun and not ended, one for a model at most."""
        ...

    def forget_intent(self, name: str) -> None:
        """Remove what `intend` wrote down for a model."""
        ...


class TrackedRun(Protocol):
    """A run that is watched."""

    def parameters(self, values: Mapping[str, Scalar]) -> None:
        """Note what the run was started with."""
        ...

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Note figures, at a step of the training or at the end."""
        ...

    def file(self, path: Path) -> None:
        """Keep a small file with the run."""
        ...


class Tracker(Protocol):
    """Where experiments are watched. A tracker that fails never fails what it watches; it says so in the log."""

    def run(self, name: str, tags: Mapping[str, str]) -> AbstractContextManager[TrackedRun]:
        """Open a run; leaving the block closes it, as failed if an error left it."""
        ...


class DatasetStore(Protocol):
    """Versions of data sets. The same rows are the same version."""

    def write(self, card: DatasetCard, rows: Iterable[DatasetRow]) -> DatasetCard:
        """Keep rows, of the kind that the card names, as a version; return the card with version, digest and counts.

        It is whole or not there.
        """
        ...

    def find(self, reference: str) -> DatasetCard:
        """Return the card of `NAME@VERSION`, or of the newest version of `NAME`.

        Raises:
            UsageError: there is none; the message lists what there is.
        """
        ...

    def rows(self, card: DatasetCard, splits: Sequence[Split]) -> Sequence[RetrievalPair]:
        """Return the rows of splits, in the order they were written, compared with the card's digest.

        Raises:
            UsageError: the rows are not those of the card, or the data set is of another kind.
        """
        ...

    def rows_of(self, row_type: type[Row], card: DatasetCard, splits: Sequence[Split]) -> Sequence[Row]:
        """Return the rows of splits as `rows` does, of a data set of another kind."""
        ...


class EvaluationStore(Protocol):
    """Evaluations with the outcome of each question, so that later ones can be compared question by question."""

    def write(self, evaluation: Evaluation, outcomes: Sequence[QuestionOutcome]) -> None:
        """Keep an evaluation; one of the same id is replaced."""
        ...

    def find(self, id: str) -> tuple[Evaluation, Sequence[QuestionOutcome]]:
        """Return an evaluation with its outcomes.

        Raises:
            UsageError: there is none of this id.
        """
        ...

    def all(self) -> Sequence[Evaluation]:
        """Return all evaluations, oldest first."""
        ...


class ReplyJournal(Protocol):
    """What language models wrote for data sets. It outlives a kill, so that nothing is paid twice."""

    def find(self, key: str) -> Reply | None:
        """Return the reply to a request, or None."""
        ...

    def keep(self, reply: Reply) -> None:
        """Keep a reply.

        Raises:
            BackendError: it cannot be written.
        """
        ...

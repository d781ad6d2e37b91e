"""What a trainer is given, and what it gives back."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import Field

from llm_engineering.domain.datasets import DatasetRow
from llm_engineering.domain.evaluation import Estimate
from llm_engineering.domain.models import CurvePoint, ModelKind, RegisteredModel, TrainingRecord
from llm_engineering.domain.value import Value

# Weights, settings, vocabularies: none of them can run code.
MODEL_FILES = frozenset({".safetensors", ".json", ".txt", ".model", ".jinja"})
Row = TypeVar("Row", bound=DatasetRow)


@dataclass(frozen=True)
class GeneralQuestion:
    """A question of another field than the one that is trained for, with a passage that answers it."""

    question: str
    passage: str


@dataclass(frozen=True)
class TrainingData(Generic[Row]):
    """The rows that a trainer may see: those to learn from and those to choose by, never held-out ones.

    `reference` and `digest` name the version of the data set; `general` shows what the model forgets.
    """

    reference: str
    digest: str
    train: tuple[Row, ...]
    validation: tuple[Row, ...] = ()
    general: tuple[GeneralQuestion, ...] = ()


@dataclass(frozen=True)
class Texts:
    """Texts that a language model learns to go on with, and those that it is tested on. Held-out ones are not there.

    `reference` and `digest` name the version of the corpus.
    """

    reference: str
    digest: str
    train: tuple[str, ...]
    validation: tuple[str, ...] = ()


@dataclass(frozen=True)
class HeldText:
    """A text that a model did not learn from. Those of a `cluster` are not independent of each other."""

    id: str
    cluster: str
    text: str


class TrainingPlan(Value):
    """What a training is about to work on. `work` names its folder, derived from data, settings and model."""

    model: str
    kind: ModelKind
    dataset: str
    dataset_digest: str
    work: str
    train: int
    validation: int
    general: int


class Trained(Value):
    """How a training went. The weights are in the folder that the trainer was given.

    `metrics` has each figure after training by its name (`validation/ndcg@10`), and under `NAME/before` that of the
    model it began with. `tuned` are the settings that were found where there are no weights. `base` is what it began
    with, `base_digest` the SHA-256 of those weights, `template` the hash of the chat template of a language model.
    `notes` are what the user should know of it.
    """

    record: TrainingRecord
    base: str
    base_digest: str
    metrics: dict[str, Estimate] = Field(default_factory=dict)
    tuned: RegisteredModel | None = None
    template: str = ""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        record = self.record
        figures = ", ".join(
            f"{name} {self.metrics[before].value:.3f} → {value}"
            if (before := f"{name}/before") in self.metrics
            else f"{name} {value}"
            for name, value in self.metrics.items()
            if not name.endswith("/before")
        )
        return (
            f"{record.steps} steps over {record.rows} rows in {record.seconds:.0f} s ({record.cpu_seconds:.0f} CPU "
            f"seconds, {record.device}, {record.precision})"
            + (f", resumed {record.resumed} times" if record.resumed else "")
            + (f", stopped early, best at step {record.best_step}" if record.stopped_early else "")
            + (f"; {figures}" if figures else "")
            + "".join(f"; {note}" for note in self.notes)
        )


class TrainingEstimate(Value):
    """What a fine-tuning will take, in bytes and seconds, before anything is loaded.

    `trained` are the parameters that change. `activations` are what is kept of a batch for the way back, without and
    with gradient checkpointing; `checkpointing` says which of the two is configured. `seconds` are by place.
    """

    model: str
    parameters: int
    trained: int
    weights: int
    gradients: int
    optimizer: int
    logits: int
    activations: int
    activations_checkpointed: int
    checkpointing: bool
    tokens: int
    seconds: dict[str, float]
    available: int = 0
    device: str = ""
    assumptions: tuple[str, ...] = ()

    @property
    def memory(self) -> int:
        """Bytes at the peak, as configured."""
        kept = self.activations_checkpointed if self.checkpointing else self.activations
        return self.weights + self.gradients + self.optimizer + self.logits + kept

    def __str__(self) -> str:
        there = f"{_gib(self.available)} on this machine's {self.device}" if self.available else ""
        fits = f" ({'fits' if self.memory <= self.available else 'DOES NOT FIT'}: {there})" if there else ""
        times = ", ".join(f"{_duration(seconds)} on {place}" for place, seconds in self.seconds.items())
        return (
            f"{self.model} has {self.parameters / 1e6:,.1f} million parameters, {self.trained / 1e6:,.2f} million of "
            f"them are trained; memory about {_gib(self.memory)}{fits}: weights {_gib(self.weights)}, gradients "
            f"{_gib(self.gradients)}, optimizer {_gib(self.optimizer)}, logits {_gib(self.logits)}, activations "
            f"{_gib(self.activations)} ({_gib(self.activations_checkpointed)} with gradient_checkpointing); time for "
            f"{self.tokens:,} tokens: about {times}. Assumed: {'; '.join(self.assumptions)}"
        )


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**29 else f"{size / 2**20:.1f} MiB"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3_600:.1f} h"


@dataclass(frozen=True)
class WeightsFolder:
    """The folder of a finished model; files of kinds that no model needs do not count."""

    folder: Path

    def files(self) -> list[Path]:
        """Return the files of the model, relative to the folder."""
        found = (path for path in self.folder.rglob("*") if path.is_file() and path.suffix in MODEL_FILES)
        return sorted(path.relative_to(self.folder) for path in found)


class TrainingReport(Value):
    """What a training pipeline did: which version it registered, from which data, and how it went."""

    model: str
    dataset: str
    trained: Trained

    def __str__(self) -> str:
        return f"{self.model} from {self.dataset}: {self.trained}"


# Told of each point of the curve as soon as it is known.
Watch = Callable[[CurvePoint], None]


def unwatched(point: CurvePoint) -> None:
    """Let a point of the curve pass."""

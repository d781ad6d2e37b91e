"""What a trainer is given, and what it gives back."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from llm_engineering.domain.datasets import RetrievalPair
from llm_engineering.domain.evaluation import Estimate
from llm_engineering.domain.models import CurvePoint, ModelKind, RegisteredModel, TrainingRecord
from llm_engineering.domain.value import Value

# Weights, settings, vocabularies: none of them can run code.
MODEL_FILES = frozenset({".safetensors", ".json", ".txt", ".model"})


@dataclass(frozen=True)
class GeneralQuestion:
    """A question of another field than the one that is trained for, with a passage that answers it."""

    question: str
    passage: str


@dataclass(frozen=True)
class TrainingData:
    """The rows that a trainer may see: those to learn from and those to choose by, never held-out ones.

    `reference` and `digest` name the version of the data set; `general` shows what the model forgets.
    """

    reference: str
    digest: str
    train: tuple[RetrievalPair, ...]
    validation: tuple[RetrievalPair, ...] = ()
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
    with, `base_digest` the SHA-256 of those weights.
    """

    record: TrainingRecord
    base: str
    base_digest: str
    metrics: dict[str, Estimate] = Field(default_factory=dict)
    tuned: RegisteredModel | None = None

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
        )


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

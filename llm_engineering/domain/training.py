"""What a trainer is given, and what it gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from llm_engineering.domain.datasets import RetrievalPair
from llm_engineering.domain.evaluation import Estimate
from llm_engineering.domain.models import CurvePoint, TrainingRecord


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
class Trained:
    """How a training went. The weights are in the folder that the trainer was given.

    `metrics` has each figure after training by its name (`validation/ndcg@10`), and under `NAME/before` that of the
    model it began with. `base` is what it began with, `base_digest` the SHA-256 of those weights.
    """

    record: TrainingRecord
    base: str
    base_digest: str
    metrics: Mapping[str, Estimate] = field(default_factory=dict)


# Told of each point of the curve as soon as it is known.
Watch = Callable[[CurvePoint], None]


def unwatched(point: CurvePoint) -> None:
    """Let a point of the curve pass."""

"""Models that this project trains or takes in: their files, their versions, and in which stage each of them is."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from llm_engineering.domain.evaluation import Estimate
from llm_engineering.domain.value import Value

# embedder: text to vector. reranker: question and passage to score. retrieval: tuned settings of the search, no
# weights. llm: a language model.
ModelKind = Literal["embedder", "reranker", "retrieval", "llm"]


class Stage(StrEnum):
    """Where a version of a model stands. At most one version of a name is in production, at most one in staging."""

    NONE = "none"
    STAGING = "staging"
    PRODUCTION = "production"
    ARCHIVED = "archived"


class ModelFile(Value):
    """A file of a model: its path below the model's folder, its SHA-256 and its size in bytes."""

    path: str
    sha256: str
    bytes: int


class CurvePoint(Value):
    """What training looked like at a step. `metric` is the one that decides when to stop, on the validation split."""

    step: int
    epoch: float
    loss: float | None = None
    metric: float | None = None
    learning_rate: float | None = None


class TrainingRecord(Value):
    """How a model was trained. `seconds` is wall time, `cpu_seconds` of all threads, resumed runs included.

    `left_out` are rows that were too long to be learned from; `rows` are the others.
    """

    steps: int = 0
    epochs: float = 0.0
    rows: int = 0
    left_out: int = 0
    seed: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    resumed: int = 0
    stopped_early: bool = False
    best_step: int = 0
    device: str = ""
    precision: str = ""
    curve: tuple[CurvePoint, ...] = ()


class RegisteredModel(Value):
    """A version of a model in the registry: everything that is needed to trust it, to load it and to make it again.

    `weights` is the SHA-256 of the weights (empty where there are none), `base` what it was trained from, with its own
    digest, `dataset` the reference of the data set with its digest, `metrics` the figures on held-out questions by
    name, `evaluations` the ids of the evaluations that they come from, `template` the hash of a prompt template.
    """

    name: str
    number: int
    kind: ModelKind
    weights: str = ""
    files: tuple[ModelFile, ...] = ()
    base: str = ""
    base_digest: str = ""
    dataset: str = ""
    dataset_digest: str = ""
    licence: str = ""
    template: str = ""
    settings: dict[str, object] = Field(default_factory=dict)
    training: TrainingRecord | None = None
    metrics: dict[str, Estimate] = Field(default_factory=dict)
    evaluations: tuple[str, ...] = ()
    index: dict[str, str] = Field(default_factory=dict)
    run: int = 0
    created_at: str = ""
    stage: Stage = Stage.NONE

    @property
    def reference(self) -> str:
        """The name by which this version is asked for."""
        return f"{self.name}@{self.number}"

    @property
    def is_pretrained(self) -> bool:
        """Whether it began with random weights and learnt from the documents of an index: it has no base."""
        trainer = self.settings.get("trainer")
        return self.kind == "llm" and not self.base and isinstance(trainer, dict) and trainer.get("kind") == "gpt"


class Switch(Value):
    """One switch of what is in production: of a model, and of the index version that goes with it.

    `number` is the version from now on, `left` the one before; 0 means none: the configured base model. `index` and
    `index_left` are index versions of `collection`; they are empty for models that no index is made with. `load` is the
    section that opens the collection, `process` who switches.
    """

    name: str
    number: int
    left: int = 0
    kind: Literal["promote", "rollback"] = "promote"
    collection: str = ""
    index: str = ""
    index_left: str = ""
    load: dict[str, object] = Field(default_factory=dict)
    verdict: str = ""
    run: int = 0
    at: str = ""
    process: dict[str, str | int] = Field(default_factory=dict)

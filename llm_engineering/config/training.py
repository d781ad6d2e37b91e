"""The configuration of training: evaluate, make data, train, promote."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from llm_engineering.application.datasets import DatasetSettings
from llm_engineering.application.evaluation.settings import EvaluationSettings
from llm_engineering.application.promotion import PromotionSettings
from llm_engineering.config.kinds import kind_or
from llm_engineering.config.pipelines import Config, FeatureEngineeringConfig
from llm_engineering.config.retrieval import RetrievalSection
from llm_engineering.config.sections import Load
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.embedders import EmbedderSpec, SentenceTransformers
from llm_engineering.infrastructure.llms import LlmSpec
from llm_engineering.infrastructure.trackers import TrackerSpec
from llm_engineering.infrastructure.trainers import EmbedderTrainer, TrainerSpec


class TrainingSettings(Value):
    """Section `training`: what is trained, from which data set, and the name that the registry has for it."""

    model: str = Field(
        "retriever", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$", description="name of the model in the registry"
    )
    dataset: str = Field("retrieval", min_length=1, description="data set: NAME (its newest version) or NAME@VERSION")
    general: Path | None = Field(
        None,
        description="JSONL of {question, passage} of another field, to see what is forgotten; empty: the ones shipped",
    )
    trainer: Annotated[TrainerSpec, kind_or("embedder")] = Field(default_factory=EmbedderTrainer)


class EvaluationConfig(Config):
    """Pipeline `evaluation`: questions with known answers, asked of an index."""

    embedding: Annotated[EmbedderSpec, kind_or("sentence_transformers")] = Field(default_factory=SentenceTransformers)
    load: Load = Field(default_factory=Load)
    retrieval: RetrievalSection = Field(default_factory=RetrievalSection, description="how passages are found")
    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings)
    tracking: tuple[TrackerSpec, ...] = Field((), description="where runs are watched, beside ZenML")


class DatasetConfig(Config):
    """Pipeline `dataset`: the corpus into pairs of questions and passages."""

    embedding: Annotated[EmbedderSpec, kind_or("sentence_transformers")] = Field(default_factory=SentenceTransformers)
    load: Load = Field(default_factory=Load)
    retrieval: RetrievalSection = Field(default_factory=RetrievalSection, description="how negatives are found")
    llms: tuple[LlmSpec, ...] = Field((), description="language models; the first one writes questions, if any does")
    dataset: DatasetSettings = Field(default_factory=DatasetSettings)

    @property
    def holds(self) -> tuple[str, ...]:
        return (*super().holds, f"dataset {self.dataset.name}")


class TrainingConfig(Config):
    """Pipeline `training`: a version of a data set into a version of a model. Tuning a search also asks the index."""

    embedding: Annotated[EmbedderSpec, kind_or("sentence_transformers")] = Field(default_factory=SentenceTransformers)
    load: Load = Field(default_factory=Load)
    retrieval: RetrievalSection = Field(default_factory=RetrievalSection, description="the search that is tuned")
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    tracking: tuple[TrackerSpec, ...] = Field((), description="where runs are watched, beside ZenML")

    @property
    def holds(self) -> tuple[str, ...]:
        return (*super().holds, f"model {self.training.model}")


class PromotionConfig(FeatureEngineeringConfig):
    """Pipeline `promotion`: a candidate into production, with the index that it makes, if it proves itself."""

    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings)
    promotion: PromotionSettings = Field(default_factory=PromotionSettings)
    tracking: tuple[TrackerSpec, ...] = Field((), description="where runs are watched, beside ZenML")

    @property
    def holds(self) -> tuple[str, ...]:
        name = self.promotion.model.partition("@")[0]
        return (*super().holds, *([f"model {name}"] if name else []))

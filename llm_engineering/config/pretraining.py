"""The configuration of pretraining: a corpus into a language model."""

from typing import Annotated

from pydantic import Field

from llm_engineering.config.kinds import kind_or
from llm_engineering.config.pipelines import Config
from llm_engineering.config.sections import Load
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.trackers import TrackerSpec
from llm_engineering.infrastructure.trainers.gpt import GptTrainer


class PretrainingSettings(Value):
    """Section `pretraining`: what a language model learns from, and the name that the registry has for it."""

    model: str = Field(
        "gpt", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$", description="name of the model in the registry"
    )
    sources: tuple[str, ...] | None = Field(
        None, description="names of sources whose documents are learnt from; null: all that the index holds"
    )
    tenants: tuple[str, ...] | None = Field(
        None,
        description="whose documents are learnt from, '' is nobody's; null: anybody's, as long as it is one tenant",
    )
    licence: str = Field("", description="licence of the texts, kept with the model")
    validation: float = Field(
        0.1, ge=0, lt=1, description="share of the text that the model is tested on; whole documents"
    )
    alike: float = Field(
        0.8, gt=0, le=1, description="documents or paragraphs that share so many of their words are on the same side"
    )
    boilerplate: int = Field(20, ge=1, description="paragraphs that more documents repeat keep nothing together")
    seed: int = Field(0, ge=0, lt=2**32, description="decides which documents are for validation")
    trainer: Annotated[GptTrainer, kind_or("gpt")] = Field(default_factory=GptTrainer)


class PretrainingConfig(Config):
    """Pipeline `pretraining`: the documents of an index into a language model of one's own."""

    load: Load = Field(default_factory=Load, description="the collection whose documents are learnt from")
    pretraining: PretrainingSettings = Field(default_factory=PretrainingSettings)
    tracking: tuple[TrackerSpec, ...] = Field((), description="where runs are watched, beside ZenML")

    @property
    def holds(self) -> tuple[str, ...]:
        return (*super().holds, f"model {self.pretraining.model}")

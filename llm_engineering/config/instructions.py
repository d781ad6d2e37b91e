"""The configuration of data sets for language models: instructions, preferences."""

from typing import Annotated

from pydantic import Field

from llm_engineering.application.instructions import InstructionSettings, PreferenceSettings
from llm_engineering.config.kinds import kind_or
from llm_engineering.config.pipelines import Config
from llm_engineering.config.retrieval import RetrievalSection
from llm_engineering.config.sections import Load
from llm_engineering.infrastructure.embedders import EmbedderSpec, SentenceTransformers
from llm_engineering.infrastructure.llms import LlmSpec


class LanguageDatasetConfig(Config):
    """What both pipelines have in common: an index, and models that may write."""

    embedding: Annotated[EmbedderSpec, kind_or("sentence_transformers")] = Field(default_factory=SentenceTransformers)
    load: Load = Field(default_factory=Load)
    retrieval: RetrievalSection = Field(default_factory=RetrievalSection, description="how likeness is found")
    llms: tuple[LlmSpec, ...] = Field((), description="language models; the first one writes, if any does")


class InstructDatasetConfig(LanguageDatasetConfig):
    """Pipeline `instruct_dataset`: the corpus into instructions with answers."""

    instructions: InstructionSettings = Field(default_factory=InstructionSettings)

    @property
    def holds(self) -> tuple[str, ...]:
        return (*super().holds, f"dataset {self.instructions.name}")


class PreferenceDatasetConfig(LanguageDatasetConfig):
    """Pipeline `preference_dataset`: the corpus into instructions with a better and a worse answer."""

    preferences: PreferenceSettings = Field(default_factory=PreferenceSettings)

    @property
    def holds(self) -> tuple[str, ...]:
        return (*super().holds, f"dataset {self.preferences.name}")


def section_of(config: InstructDatasetConfig | PreferenceDatasetConfig) -> InstructionSettings | PreferenceSettings:
    """Return the section of the data set."""
    return config.instructions if isinstance(config, InstructDatasetConfig) else config.preferences

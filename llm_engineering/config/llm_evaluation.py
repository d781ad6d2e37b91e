"""The configuration of the evaluation of language models."""

from typing import Annotated

from pydantic import Field

from llm_engineering.application.llm_evaluation import LlmEvaluationSettings
from llm_engineering.config.kinds import kind_or
from llm_engineering.config.pipelines import Config
from llm_engineering.infrastructure.embedders import EmbedderSpec, SentenceTransformers
from llm_engineering.infrastructure.llms import LlmSpec
from llm_engineering.infrastructure.trackers import TrackerSpec


class LlmEvaluationConfig(Config):
    """Pipeline `llm_evaluation`: language models compared by what they answer to held-out instructions."""

    embedding: Annotated[EmbedderSpec, kind_or("sentence_transformers")] = Field(default_factory=SentenceTransformers)
    llms: tuple[LlmSpec, ...] = Field((), description="models behind addresses: to be compared, or as the judge")
    llm_evaluation: LlmEvaluationSettings = Field(default_factory=LlmEvaluationSettings)
    tracking: tuple[TrackerSpec, ...] = Field((), description="where runs are watched, beside ZenML")

"""The configuration of the assistant: what it searches, what it answers with, how it is served."""

from typing import Annotated

from pydantic import Field

from llm_engineering.application.answering import Answering
from llm_engineering.application.retrieval import Retrieval
from llm_engineering.config.pipelines import Config, FeatureConfig, Load, kind_or
from llm_engineering.config.serving import Serving
from llm_engineering.infrastructure.embedders import EmbedderSpec, SentenceTransformers
from llm_engineering.infrastructure.llms import LlmSpec
from llm_engineering.infrastructure.observability.tracing import Tracing
from llm_engineering.infrastructure.state import SqlState, StateSpec


class AssistantConfig(Config):
    """The assistant: search, answers, service. Batch inference and `tools.ask` read the same sections."""

    embedding: Annotated[EmbedderSpec, kind_or("sentence_transformers")] = Field(default_factory=SentenceTransformers)
    load: Load = Field(default_factory=Load)
    retrieval: Retrieval = Field(default_factory=Retrieval, description="how passages are found")
    answering: Answering = Field(default_factory=Answering, description="how answers are made from passages")
    llms: tuple[LlmSpec, ...] = Field(
        (), description="language models, the first being the default; without any, answers are extractive"
    )
    state: Annotated[StateSpec, kind_or("sql")] = Field(
        default_factory=SqlState, description="where conversations, cached answers and receipts are kept"
    )
    serving: Serving = Field(default_factory=Serving, description="where the service listens, and who may use it")
    tracing: Tracing = Field(default_factory=Tracing, description="OpenTelemetry traces of answers; off by default")


class ProjectConfig(FeatureConfig, AssistantConfig):
    """All that a YAML file may say. Each pipeline takes its part."""

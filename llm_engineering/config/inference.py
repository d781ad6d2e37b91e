"""The configuration of the assistant: what it searches, what it answers with, how it is served."""

from typing import Annotated, Self

from pydantic import Field

from llm_engineering.application.answering import Answering
from llm_engineering.application.answering.batch_settings import BatchSettings
from llm_engineering.config.kinds import kind_or
from llm_engineering.config.pipelines import Config
from llm_engineering.config.retrieval import RetrievalSection
from llm_engineering.config.sections import Load
from llm_engineering.config.serving import Serving
from llm_engineering.infrastructure.embedders import EmbedderSpec, SentenceTransformers
from llm_engineering.infrastructure.llms import LlmSpec
from llm_engineering.infrastructure.observability.tracing import Tracing
from llm_engineering.infrastructure.state import SqlState, StateSpec


class AssistantConfig(Config):
    """The assistant: search, answers, service. Batch inference and `tools.ask` read the same sections."""

    embedding: Annotated[EmbedderSpec, kind_or("sentence_transformers")] = Field(default_factory=SentenceTransformers)
    load: Load = Field(default_factory=Load)
    retrieval: RetrievalSection = Field(default_factory=RetrievalSection, description="how passages are found")
    answering: Answering = Field(default_factory=Answering, description="how answers are made from passages")
    llms: tuple[LlmSpec, ...] = Field(
        (), description="language models, the first being the default; without any, answers are extractive"
    )
    state: Annotated[StateSpec, kind_or("sql")] = Field(
        default_factory=SqlState, description="where conversations, cached answers and receipts are kept"
    )
    serving: Serving = Field(default_factory=Serving, description="where the service listens, and who may use it")
    tracing: Tracing = Field(default_factory=Tracing, description="OpenTelemetry traces of answers; off by default")


class BatchInferenceConfig(AssistantConfig):
    """Pipeline `batch_inference`: a table of questions into a table of answers."""

    batch: BatchSettings = Field(default_factory=BatchSettings)

    def resolved(self) -> Self:
        """Return this configuration with every default written out.

        Raises:
            UsageError: it names no questions, or a file that is no table.
        """
        self.batch.checked()
        return super().resolved()

    @property
    def holds(self) -> tuple[str, ...]:
        if self.batch.input is None:
            return super().holds
        source, target = self.batch.files
        return (*super().holds, f"questions {source}", f"answers {target}")

    @property
    def answers_depend_on(self) -> dict[str, object]:
        """What decides the answers, apart from the questions and the index: other settings, other answers.

        How fast and how dear a model may be is not part of it, so a budget that is raised after it was spent loses
        nothing.
        """
        names = [spec.name for spec in self.llms]
        chosen = [spec for spec in self.llms if spec.name == (self.batch.llm or next(iter(names), ""))]
        return {
            "embedding": self.embedding.model_dump(mode="json"),
            "load": self.load.model_dump(mode="json", include={"collection", "store"}),
            "retrieval": self.retrieval.model_dump(mode="json"),
            "answering": self.answering.model_dump(mode="json", exclude={"timeout", "llm_failure"}),
            "llms": [spec.model_dump(mode="json", include=_OF_A_MODEL) for spec in chosen],
            "batch": self.batch.model_dump(mode="json", include={"llm", "k", "access"}),
        }


# The settings of a model that decide what it says.
_OF_A_MODEL = {"kind", "name", "model", "tier", "revision", "dtype", "base_url", "endpoint", "region", "text", "of"}

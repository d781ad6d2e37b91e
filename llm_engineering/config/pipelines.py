"""The configuration of each pipeline: what a YAML file may say, with defaults for all of it."""

from collections.abc import Sequence
from typing import Annotated, Self, TypeVar

from pydantic import Field, field_validator, model_validator

from llm_engineering.application.chunking import ByFormat, Chunker
from llm_engineering.application.cleaning import Cleaning
from llm_engineering.application.graph.settings import EntityGraph
from llm_engineering.application.near_duplicates import NearDuplicates
from llm_engineering.application.text import Tokenizing
from llm_engineering.config.chunking import named_embedders
from llm_engineering.config.kinds import kind_alone, kind_or
from llm_engineering.config.retrieval import RetrievalSection
from llm_engineering.config.sections import Author, Gate, Ingest, Limits, Load, Select, link_name
from llm_engineering.domain.access import TENANT
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.embedders import EmbedderSpec, SentenceTransformers
from llm_engineering.infrastructure.executors import ExecutorSpec, Local
from llm_engineering.infrastructure.vector_stores import EngineSpec


class Config(Value):
    """What the configurations of all pipelines have in common."""

    enable_cache: bool = Field(True, description="let ZenML reuse the outputs of steps whose inputs are the same")
    limits: Limits = Field(default_factory=Limits)

    @property
    def holds(self) -> tuple[str, ...]:
        """What a run with this configuration has for itself: its sources, its collection."""
        return ()

    @model_validator(mode="after")
    def _searches_what_the_store_keeps(self) -> Self:
        store, mode = _store_of(self), getattr(getattr(self, "retrieval", None), "mode", "dense")
        if store is not None and not store.has_sparse and mode != "dense":
            raise ValueError(
                f"vector store {store.name()!r} keeps no sparse vectors, which retrieval: mode: {mode} asks for; set "
                "retrieval: mode: dense, or choose a store that has them (docs/vector-stores.md)"
            )
        return self

    def resolved(self) -> Self:
        """Return this configuration with every default written out.

        Raises:
            UsageError: it names a vector store whose extra is not installed, or whose address is not named.

        ZenML passes only those fields of a parameter on that were set, so a `kind` that is a default would be lost.
        """
        if (store := _store_of(self)) is not None:
            store.check()
        return type(self).model_validate(self.model_dump(mode="json"))


def _store_of(config: Config) -> EngineSpec | None:
    store = getattr(getattr(config, "load", None), "store", None)
    return store if isinstance(store, EngineSpec) else None


C = TypeVar("C", bound=Config)


class DigitalDataEtlConfig(Config):
    """Pipeline `digital_data_etl`: an author's links, and any other sources, into the warehouse."""

    author: Author | None = Field(None, description="an author with links")
    ingest: Ingest = Field(default_factory=Ingest)

    @property
    def names_sources(self) -> bool:
        """Whether there is anything to read from."""
        return self.author is not None or bool(self.ingest.sources)

    def resolved(self) -> Self:
        """Return this configuration with every default written out.

        Raises:
            UsageError: there is nothing to read from. An index of nothing is never what was meant.
        """
        if not self.names_sources:
            raise UsageError(
                "the configuration names no source; add one under `ingest: sources:`, or an `author:` with links "
                "(--config FILE, for example configs/feature.yaml)"
            )
        return super().resolved()

    @property
    def holds(self) -> tuple[str, ...]:
        links = [link_name(link) for link in self.author.links] if self.author else []
        names = [*(source.name for source in self.ingest.sources), *links]
        return (*super().holds, *(f"source {name}" for name in dict.fromkeys(names)))

    def with_author(self, user_full_name: str, links: Sequence[str]) -> Self:
        """Return this configuration for another author; an empty name changes nothing."""
        if not user_full_name:
            return self
        return self.model_copy(update={"author": Author(user_full_name=user_full_name, links=tuple(links))})


class FeatureEngineeringConfig(Config):
    """Pipeline `feature_engineering`: the warehouse into the feature store."""

    select: Select = Field(default_factory=Select)
    duplicates: NearDuplicates = Field(
        default_factory=NearDuplicates, description="what becomes of documents that nearly repeat another one"
    )
    cleaning: Cleaning = Field(default_factory=Cleaning)
    chunking: Annotated[Chunker, kind_or("by_format")] = Field(default_factory=ByFormat)
    tokenizing: Tokenizing = Field(default_factory=Tokenizing)
    embedding: Annotated[EmbedderSpec, kind_or("sentence_transformers")] = Field(default_factory=SentenceTransformers)
    executor: Annotated[ExecutorSpec, kind_alone("local")] = Field(
        default_factory=Local, description="where documents are cleaned, cut, tokenized and embedded: local, ray"
    )
    load: Load = Field(default_factory=Load)
    retrieval: RetrievalSection = Field(
        default_factory=RetrievalSection, description="how `tools.search` finds passages"
    )
    gate: Gate = Field(default_factory=Gate)
    graph: EntityGraph | None = Field(
        None, description="build the entity graph of the index as well, for `retrieval: neighbours`; null: do not"
    )

    @field_validator("chunking")
    @classmethod
    def _names_embedders(cls, chunking: Chunker) -> Chunker:
        named_embedders(chunking)
        return chunking

    def resolved(self) -> Self:
        """Return this configuration with every default written out.

        Raises:
            UsageError: an extra or a key is missing; that is better known before anything is fetched.
        """
        for part in (self.cleaning, self.chunking, self.tokenizing, self.embedding):
            part.require()
        return super().resolved()

    @property
    def payload_indexes(self) -> tuple[str, ...]:
        """The metadata that the index is indexed by."""
        return self.load.payload_indexes

    @property
    def holds(self) -> tuple[str, ...]:
        return (*super().holds, f"collection {self.load.collection}")


class FeatureConfig(FeatureEngineeringConfig, DigitalDataEtlConfig):
    """Pipeline `feature`: both, from the sources to a searchable feature store."""

    @property
    def payload_indexes(self) -> tuple[str, ...]:
        """The metadata that the index is indexed by: with tenants, also whose a document is, which searches ask."""
        named = self.load.payload_indexes
        used = any(source.tenant for source in self.ingest.sources)
        return (*named, TENANT) if used and not {TENANT, f"metadata.{TENANT}"} & set(named) else named

    @property
    def names_sources(self) -> bool:
        """Whether there is anything to read from, or a selection of what was read before."""
        return super().names_sources or self.select.sources is not None

    def of(self, pipeline: type[C]) -> C:
        """Return the part that a pipeline knows, so that one file serves all pipelines.

        An index that is made without reading from sources (`feature_engineering`, `promotion`) holds the sources that
        the file names, if it names any.
        """
        parts = {name: getattr(self, name) for name in pipeline.model_fields}
        without_sources = issubclass(pipeline, FeatureEngineeringConfig) and not issubclass(pipeline, FeatureConfig)
        if without_sources and self.names_sources:
            parts["select"] = Select(sources=self.source_names)
        if without_sources:
            parts["load"] = self.load.model_copy(update={"payload_indexes": self.payload_indexes})
        return pipeline.model_validate(parts)

    @property
    def source_names(self) -> tuple[str, ...]:
        """Return the names of the sources that the index holds: those selected, else all that this file names."""
        if self.select.sources is not None:
            return self.select.sources
        links = tuple(link_name(link) for link in self.author.links) if self.author else ()
        return tuple(dict.fromkeys([*(source.name for source in self.ingest.sources), *links]))

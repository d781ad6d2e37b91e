"""The configuration of each pipeline: what a YAML file may say, with defaults for all of it."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Self, TypeVar

from pydantic import BeforeValidator, Field, field_validator, model_validator

from llm_engineering.application.chunking import ByFormat, Chunker
from llm_engineering.application.cleaning import Cleaning
from llm_engineering.application.retrieval import Retrieval
from llm_engineering.application.text import Tokenizing
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.secrets import redact
from llm_engineering.domain.users import split_user_full_name
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.embedders import EmbedderSpec, SentenceTransformers
from llm_engineering.infrastructure.fetching import Fetching
from llm_engineering.infrastructure.sources import SourceSpec
from llm_engineering.infrastructure.vector_stores import QdrantEdge, VectorStoreSpec


def _kind_or(default: str) -> BeforeValidator:
    """Let a section leave its `kind` out: it then means the default kind with other settings."""

    def fill(section: Any) -> Any:
        return {"kind": default, **section} if isinstance(section, dict) and "kind" not in section else section

    return BeforeValidator(fill)


def link_name(link: str) -> str:
    """Return the name of the source that a link becomes: the link, without a password."""
    return redact(link)


class Author(Value):
    """A person and the links to what they wrote. Each link goes to the first crawler that knows it."""

    user_full_name: str = Field(description="first and last name, for example 'Ada Lovelace'")
    links: tuple[str, ...] = Field(min_length=1, description="web articles, git repositories, files or folders")

    @field_validator("user_full_name")
    @classmethod
    def _has_a_name(cls, name: str) -> str:
        if not name.strip():
            raise ValueError("give at least one word, for example 'Ada Lovelace'")
        split_user_full_name(name)
        return name


class Limits(Value):
    """Section `limits`: how much may go wrong before a run counts as failed. What went well is indexed all the same."""

    failures: int | None = Field(0, ge=0, description="documents or sources that could not be read; null: any number")
    rejections: int | None = Field(None, ge=0, description="documents that were refused, with reason; null: any number")


class Ingest(Value):
    """Section `ingest`: where documents come from, and how politely they are fetched."""

    sources: tuple[SourceSpec, ...] = Field((), description="the sources, each with its kind")
    fetching: Fetching = Field(default_factory=Fetching, description="limits and manners of everything on a network")

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        twice = [name for name, count in Counter(source.name for source in self.sources).items() if count > 1]
        if twice:
            raise ValueError(f"two sources have the name {twice[0]!r}; give each source a `name` of its own")
        return self


class Select(Value):
    """Section `select`: which documents of the warehouse the index holds."""

    sources: tuple[str, ...] | None = Field(
        None, description="names of sources; null means those of this file, or all where the file names none"
    )


class Load(Value):
    """Section `load`: the collection of the feature store that the features go to."""

    collection: str = Field("default", description="letters, digits, '-' and '_'")
    store: Annotated[VectorStoreSpec, _kind_or("qdrant_edge")] = Field(
        default_factory=QdrantEdge, description="the vector store"
    )
    payload_indexes: tuple[str, ...] = Field((), description="metadata that searches filter on, for example [course]")

    @field_validator("collection")
    @classmethod
    def _is_a_plain_name(cls, name: str) -> str:
        # It becomes a folder name, so nothing that could leave the home may pass.
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", name):
            raise ValueError("use up to 63 letters, digits, '-' and '_', beginning with a letter or digit")
        return name


class Config(Value):
    """What the configurations of all pipelines have in common."""

    enable_cache: bool = Field(True, description="let ZenML reuse the outputs of steps whose inputs are the same")
    limits: Limits = Field(default_factory=Limits)

    def resolved(self) -> Self:
        """Return this configuration with every default written out.

        ZenML passes only those fields of a parameter on that were set, so a `kind` that is a default would be lost.
        """
        return type(self).model_validate(self.model_dump(mode="json"))


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

    def with_author(self, user_full_name: str, links: Sequence[str]) -> Self:
        """Return this configuration for another author; an empty name changes nothing."""
        if not user_full_name:
            return self
        return self.model_copy(update={"author": Author(user_full_name=user_full_name, links=tuple(links))})


class FeatureEngineeringConfig(Config):
    """Pipeline `feature_engineering`: the warehouse into the feature store."""

    select: Select = Field(default_factory=Select)
    cleaning: Cleaning = Field(default_factory=Cleaning)
    chunking: Annotated[Chunker, _kind_or("by_format")] = Field(default_factory=ByFormat)
    tokenizing: Tokenizing = Field(default_factory=Tokenizing)
    embedding: Annotated[EmbedderSpec, _kind_or("sentence_transformers")] = Field(default_factory=SentenceTransformers)
    load: Load = Field(default_factory=Load)
    retrieval: Retrieval = Field(default_factory=Retrieval, description="how `tools.search` finds passages")


class FeatureConfig(FeatureEngineeringConfig, DigitalDataEtlConfig):
    """Pipeline `feature`: both, from the sources to a searchable feature store."""

    @property
    def names_sources(self) -> bool:
        """Whether there is anything to read from, or a selection of what was read before."""
        return super().names_sources or self.select.sources is not None

    def of(self, pipeline: type[C]) -> C:
        """Return the part that a pipeline knows, so that one file serves all pipelines.

        The index of `feature_engineering` holds the sources that the file names, if it names any.
        """
        parts = {name: getattr(self, name) for name in pipeline.model_fields}
        if pipeline is FeatureEngineeringConfig and self.names_sources:
            parts["select"] = Select(sources=self.source_names)
        return pipeline.model_validate(parts)

    @property
    def source_names(self) -> tuple[str, ...]:
        """Return the names of the sources that the index holds: those selected, else all that this file names."""
        if self.select.sources is not None:
            return self.select.sources
        links = tuple(link_name(link) for link in self.author.links) if self.author else ()
        return tuple(dict.fromkeys([*(source.name for source in self.ingest.sources), *links]))

"""The configuration of each pipeline: what a YAML file may say, with defaults for all of it."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import BeforeValidator, Field, field_validator, model_validator

from llm_engineering.application.chunking import ByFormat, Chunker
from llm_engineering.application.cleaning import Cleaning
from llm_engineering.application.text import Tokenizing
from llm_engineering.config.retrieval import RetrievalSection
from llm_engineering.domain.access import TENANT
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.secrets import REFERENCE, holds_secret, redact
from llm_engineering.domain.users import split_user_full_name
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.embedders import EmbedderSpec, SentenceTransformers
from llm_engineering.infrastructure.fetching import Fetching
from llm_engineering.infrastructure.sources import SourceSpec
from llm_engineering.infrastructure.vector_stores import VectorStoreSpec


def kind_or(default: str) -> BeforeValidator:
    """Let a section leave its `kind` out: it then means the default kind with other settings."""

    def fill(section: Any) -> Any:
        return {"kind": default, **section} if isinstance(section, dict) and "kind" not in section else section

    return BeforeValidator(fill)


def link_name(link: str) -> str:
    """Return the name of the source that a link becomes: the link, without a password."""
    return redact(link)


def _without_secrets(where: str, url: str) -> None:
    """Refuse a URL with a secret in it: ZenML keeps the parameters of a run as they are, readable for everybody.

    Raises:
        ValueError: says how to write it instead. The value is not in the message.
    """
    if "${" in REFERENCE.sub("", url):
        raise ValueError(f"{where} ({redact(url)}): an environment variable is written ${{env:NAME}}")
    if holds_secret(url):
        raise ValueError(
            f"{where} ({redact(url)}) holds a secret, which would be stored with every run; put it into an environment "
            "variable and refer to it, for example https://me:${env:MY_PASSWORD}@example.org/?key=${env:MY_KEY}"
        )


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

    @field_validator("links")
    @classmethod
    def _hold_no_secrets(cls, links: tuple[str, ...]) -> tuple[str, ...]:
        for position, link in enumerate(links):
            _without_secrets(f"link {position}", link)
        return links


class Limits(Value):
    """Section `limits`: how much may go wrong before a run counts as failed. What went well is indexed all the same."""

    failures: int | None = Field(0, ge=0, description="documents or sources that could not be read; null: any number")
    rejections: int | None = Field(None, ge=0, description="documents that were refused, with reason; null: any number")


class Ingest(Value):
    """Section `ingest`: where documents come from, and how politely they are fetched."""

    sources: tuple[SourceSpec, ...] = Field((), description="the sources, each with its kind")
    fetching: Fetching = Field(default_factory=Fetching, description="limits and manners of everything on a network")
    allow_mass_delete: bool = Field(
        False, description="let a source lose more than a fifth of its documents in one run; also --allow-mass-delete"
    )

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        twice = [name for name, count in Counter(source.name for source in self.sources).items() if count > 1]
        if twice:
            raise ValueError(f"two sources have the name {twice[0]!r}; give each source a `name` of its own")
        return self

    @model_validator(mode="after")
    def _hold_no_secrets(self) -> Self:
        for position, source in enumerate(self.sources):
            for url in (getattr(source, "url", ""), *getattr(source, "urls", ())):
                _without_secrets(f"the address of sources.{position}", url)
        return self


class Select(Value):
    """Section `select`: which documents of the warehouse the index holds."""

    sources: tuple[str, ...] | None = Field(
        None, description="names of sources; null means those of this file, or all where the file names none"
    )


class Load(Value):
    """Section `load`: the collection of the feature store that the features go to."""

    collection: str = Field("default", description="letters, digits, '-' and '_'")
    store: Annotated[VectorStoreSpec, kind_or("qdrant_edge")] | None = Field(
        None,
        description="the vector store; null: the Qdrant server that LLM_ENGINEERING_QDRANT_URL names, else qdrant_edge "
        "in the home",
    )
    payload_indexes: tuple[str, ...] = Field((), description="metadata that searches filter on, for example [course]")
    keep_versions: int = Field(
        2, ge=0, le=100, description="index versions to keep beside the active one, for `tools.index rollback`"
    )

    @field_validator("collection")
    @classmethod
    def _is_a_plain_name(cls, name: str) -> str:
        # It becomes a folder name, so nothing that could leave the home may pass.
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", name):
            raise ValueError("use up to 63 letters, digits, '-' and '_', beginning with a letter or digit")
        return name


class Gate(Value):
    """Section `gate`: questions that a new index version must answer before readers see it."""

    questions: Path | None = Field(
        None, description="CSV or JSONL file of questions with the documents that answer them; null: no gate"
    )
    question: str = Field("question", min_length=1, description="column that holds the question")
    document: str = Field(
        "document", min_length=1, description="column that names the answering document: URI, its end, record key or id"
    )
    filters: tuple[str, ...] = Field((), description="columns to limit the search by, for example [course]")
    k: int = Field(5, ge=1, le=100, description="documents that are looked at for each question")
    min_hit: float = Field(0.0, ge=0, le=1, description="share of questions that must be answered among the first k")
    max_loss: float | None = Field(
        0.02,
        ge=0,
        le=1,
        description="how far hit@k and MRR@k may fall below the active version's; null: it is not asked at all",
    )


class Config(Value):
    """What the configurations of all pipelines have in common."""

    enable_cache: bool = Field(True, description="let ZenML reuse the outputs of steps whose inputs are the same")
    limits: Limits = Field(default_factory=Limits)

    @property
    def holds(self) -> tuple[str, ...]:
        """What a run with this configuration has for itself: its sources, its collection."""
        return ()

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
    cleaning: Cleaning = Field(default_factory=Cleaning)
    chunking: Annotated[Chunker, kind_or("by_format")] = Field(default_factory=ByFormat)
    tokenizing: Tokenizing = Field(default_factory=Tokenizing)
    embedding: Annotated[EmbedderSpec, kind_or("sentence_transformers")] = Field(default_factory=SentenceTransformers)
    load: Load = Field(default_factory=Load)
    retrieval: RetrievalSection = Field(
        default_factory=RetrievalSection, description="how `tools.search` finds passages"
    )
    gate: Gate = Field(default_factory=Gate)

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

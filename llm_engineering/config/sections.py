"""Sections about documents and their index: where they come from, what may go wrong, which are taken, where they go."""

import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from llm_engineering.config.kinds import kind_or
from llm_engineering.domain.secrets import REFERENCE, holds_secret, redact
from llm_engineering.domain.users import split_user_full_name
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.fetching import Fetching
from llm_engineering.infrastructure.sources import SourceSpec
from llm_engineering.infrastructure.vector_stores import VectorStoreSpec


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
        None, description="CSV, TSV or JSONL file of questions with the documents that answer them; null: no gate"
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

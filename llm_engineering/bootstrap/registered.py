"""Settings that name models of the registry, with the very versions that they mean now."""

from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from llm_engineering.config import FeatureEngineeringConfig
from llm_engineering.config.retrieval import RetrievalSection
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.models import RegisteredModel, Stage
from llm_engineering.infrastructure.embedders import EmbedderSpec, SentenceTransformers
from llm_engineering.infrastructure.registries import FileRegistry, in_production, name_in, split_reference

F = TypeVar("F", bound=FeatureEngineeringConfig)


def pinned(config: F, home: Path) -> F:
    """Return a configuration whose embedder is the very version that its registered name means now.

    All steps of a run then work with the same version, whatever is promoted meanwhile.

    Raises:
        UsageError: there is no such version, or what the run's executor needs is not there.
    """
    config.executor.check()
    return config.model_copy(update={"embedding": config.embedding.resolved(home)})


def as_made(manifest: IndexManifest) -> EmbedderSpec:
    """Return the embedder that an index version was made with, whatever is in production by now.

    An index of the base model is configured with the name that a registered model may take its place under.

    Raises:
        ValidationError: this version of the project has no such embedder.
        KeyError: the manifest does not say.
    """
    adapter: TypeAdapter[EmbedderSpec] = TypeAdapter(EmbedderSpec)
    made = adapter.validate_python(manifest.settings["embedding"])
    return made.model_copy(update={"registered": ""}) if isinstance(made, SentenceTransformers) else made


def fitting_spec(manifest: IndexManifest, configured: EmbedderSpec, home: Path) -> EmbedderSpec:
    """Return the configured embedder if an index version was made with it, else the one that it was made with.

    Raises:
        UsageError: the configured one cannot be read.
        ValidationError, KeyError: as `as_made`.
    """
    return configured if configured.card(home).digest == manifest.model.digest else as_made(manifest)


def refuse_if_left(config: FeatureEngineeringConfig, home: Path) -> None:
    """Refuse to go on with a version that is in production no longer: its index would take the new one's place.

    Raises:
        BackendError: another version was promoted between the start of a run and its plan.
    """
    name = getattr(config.embedding, "registered", "")
    if not name or name_in(getattr(config.embedding, "model", "")) != name:
        return
    number = FileRegistry(home).stage_of(name, Stage.PRODUCTION)
    if split_reference(config.embedding.model)[1] != str(number):  # type: ignore[union-attr]
        raise BackendError(
            f"another version of model {name!r} was promoted while this run began; run it again", transient=True
        )


def retrieval_of(section: RetrievalSection, home: Path) -> RetrievalSection:
    """Return how passages are found now: with the tuned settings and the reranker that are in production.

    Raises:
        UsageError: there is no such version, or its settings are none of a search.
    """
    found = _tuned(section, home)
    reranker = found.rerank.resolved(home) if found.rerank else None
    return found.model_copy(update={"rerank": reranker})


def follows_registry(section: RetrievalSection) -> bool:
    """Whether what a section means depends on what is in production."""
    rerank = section.rerank
    return bool(
        section.registered or getattr(rerank, "registered", "") or getattr(rerank, "model", "").startswith("registry:")
    )


def _tuned(section: RetrievalSection, home: Path) -> RetrievalSection:
    model = in_production(section.registered, "retrieval", home) if section.registered else None
    return with_settings(section, model) if model else section


def with_settings(section: RetrievalSection, model: RegisteredModel) -> RetrievalSection:
    """Return a section with the tuned settings of a registered version in place of its own.

    Raises:
        UsageError: the settings are none of a search.
    """
    values = model.settings.get("retrieval", model.settings)
    try:
        return RetrievalSection.model_validate(_merged(section.model_dump(mode="json"), values) | {"registered": ""})
    except ValidationError as error:
        raise UsageError(f"the settings of {model.reference} are none of section `retrieval`: {error}") from error


def _merged(old: object, new: object) -> dict[str, object]:
    """Return the old settings with the new ones in their place; a part of another kind replaces the old one whole."""
    if not isinstance(new, dict):
        raise UsageError(f"tuned settings are a table of section `retrieval`, not {new!r}")
    same = isinstance(old, dict) and new.get("kind", old.get("kind")) == old.get("kind")
    merged = dict(old) if isinstance(old, dict) and same else {}
    for name, value in new.items():
        merged[name] = _merged(merged.get(name), value) if isinstance(value, dict) else value
    return merged

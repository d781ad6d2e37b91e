"""From the name of a model in the registry to the very version that is meant now."""

from pathlib import Path

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.models import ModelKind, RegisteredModel, Stage
from llm_engineering.infrastructure.registries.files import FileRegistry
from llm_engineering.infrastructure.registries.references import SCHEME, split_reference


def meant(reference: str, kind: ModelKind, home: Path) -> RegisteredModel:
    """Return the version that a reference means now: the named one, else that in production.

    Raises:
        UsageError: there is none, or it is a model of another kind. What was never promoted has to be named by number.
    """
    registry = FileRegistry(home)
    model = registry.find(reference)
    if not split_reference(reference)[1] and model.stage is not Stage.PRODUCTION:
        raise UsageError(
            f"no version of model {model.name!r} is in production; name one ({SCHEME}{model.reference}), or promote "
            f"one (`python -m tools.models promote {model.name}`)"
        )
    if model.kind != kind:
        raise UsageError(f"model {model.reference} of the registry is of kind {model.kind}; here a {kind} is needed")
    return model


def in_production(name: str, kind: ModelKind, home: Path) -> RegisteredModel | None:
    """Return the version in production of a name, or None as long as there is none.

    Raises:
        UsageError: it is a model of another kind, or its card is damaged.
    """
    registry = FileRegistry(home)
    production = registry.stage_of(name, Stage.PRODUCTION)
    return meant(f"{name}@{production}", kind, home) if production else None


def exact(model: RegisteredModel) -> str:
    """Return how a YAML file names this very version."""
    return f"{SCHEME}{model.reference}"


def name_in(model: str) -> str:
    """Return the registry's name in the `model` of a section, or an empty text if it names no registered model."""
    return split_reference(model)[0] if model.startswith(SCHEME) else ""

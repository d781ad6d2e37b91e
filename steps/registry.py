"""The registry in ZenML's Model Control Plane: the same names, versions, stages and figures, for its dashboard.

What counts is the registry in the home; ZenML shows it. `tools.models sync` mends what differs.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any
from uuid import UUID

from zenml import get_step_context, log_metadata, step
from zenml.client import Client
from zenml.models import ModelVersionArtifactRequest, ModelVersionResponse

from llm_engineering.bootstrap import Workspace, open_registry
from llm_engineering.domain.models import RegisteredModel, Stage
from llm_engineering.domain.promotions import PromotionReport, PromotionVerdict
from llm_engineering.domain.secrets import redacted

_MANY = 1_000


@step(enable_cache=False)
def show_model(
    candidate: RegisteredModel,
    verdict: PromotionVerdict,
    promotion: PromotionReport,  # noqa: ARG001 - an input, so that the switch comes first
) -> Annotated[str, "shown"]:
    """Show the model with its stage, its figures, the verdict and the artifacts of this run."""
    show(candidate.name)
    found = Client().get_model_version(candidate.name, _version(candidate))
    _log(candidate, {"verdict": _of_verdict(verdict)})
    for artifact in _artifacts_of_run():
        Client().zen_store.create_model_version_artifact_link(
            ModelVersionArtifactRequest(artifact_version=artifact, model_version=found.id)
        )
    return candidate.reference


def show(name: str) -> list[str]:
    """Bring ZenML into agreement with all versions of a model; return what was different."""
    client, versions = Client(), open_registry(Workspace()).versions(name)
    differences = list(disagreements(name))
    shown = _shown(name)
    if shown is None:
        client.create_model(name=name, description="See `python -m tools.models show`", save_models_to_registry=False)
        shown = {}
    for model in versions:
        version = shown.get(_version(model))
        if version is None:
            version = client.create_model_version(name, name=_version(model), description=model.base)
        logged = dict(version.run_metadata)
        news = {key: value for key, value in _facts(model).items() if logged.get(key) != value}
        if news:
            _log(model, news)
    # Whoever leaves production or staging goes first: there is one of each at most.
    shown = _shown(name) or {}
    for model in sorted(versions, key=lambda one: one.stage in (Stage.PRODUCTION, Stage.STAGING)):
        if (shown[_version(model)].stage or "none") != model.stage:
            client.update_model_version(name, shown[_version(model)].id, stage=model.stage.value, force=True)
    return differences


def disagreements(name: str) -> Iterator[str]:
    """Say where ZenML shows something else of a model than the registry."""
    shown = _shown(name) or {}
    versions = {_version(model): model for model in open_registry(Workspace()).versions(name)}
    for number, model in versions.items():
        if number not in shown:
            yield f"ZenML does not show {model.reference}"
        elif (stage := shown[number].stage or "none") != model.stage:
            yield f"ZenML shows {model.reference} as {stage}, the registry has it as {model.stage}"
    yield from (
        f"ZenML shows {name} {number}, which the registry does not have" for number in sorted({*shown} - {*versions})
    )


def _shown(name: str) -> dict[str, ModelVersionResponse] | None:
    """Return what ZenML shows of a model, by version; None where it knows no such model."""
    try:
        model = Client().get_model(name)
    except KeyError:
        return None
    page = Client().list_model_versions(model=model.id, size=_MANY, hydrate=True)
    return {version.name or "": version for version in page.items}


def _version(model: RegisteredModel) -> str:
    """Return how ZenML names a version: it takes no numbers, and counts with its own."""
    return f"v{model.number}"


def _log(model: RegisteredModel, facts: dict[str, Any]) -> None:
    log_metadata(metadata=facts, model_name=model.name, model_version=_version(model))


def _facts(model: RegisteredModel) -> dict[str, Any]:
    """Return what ZenML shows of a version; empty values are left out, for ZenML has no type for them."""
    training = model.training.model_dump(mode="json", exclude={"curve"}) if model.training else {}
    facts: dict[str, Any] = {
        "reference": model.reference,
        "kind": model.kind,
        "weights_sha256": model.weights,
        "base": model.base,
        "dataset": model.dataset,
        "dataset_digest": model.dataset_digest,
        "licence": model.licence,
        "template_hash": model.template,
        "configuration": redacted(model.settings),
        "training": training,
        "metrics": {name: figure.value for name, figure in model.metrics.items()},
        "intervals": {name: str(figure) for name, figure in model.metrics.items()},
        "evaluations": list(model.evaluations),
        "index": dict(model.index),
    }
    return {name: value for name, value in facts.items() if value not in ("", {}, [])}


def _of_verdict(verdict: PromotionVerdict) -> dict[str, Any]:
    checks = {check.name: f"{'passed' if check.passed else 'refused'}: {check.detail}" for check in verdict.checks}
    return {
        "passed": verdict.passed,
        "against": verdict.against,
        "metric": verdict.metric,
        "run": verdict.run,
        **checks,
    }


def _artifacts_of_run() -> Sequence[UUID]:
    """Return the artifacts that the steps of this run made so far."""
    run = get_step_context().pipeline_run
    return [artifact.id for one in run.steps.values() for made in one.outputs.values() for artifact in made]

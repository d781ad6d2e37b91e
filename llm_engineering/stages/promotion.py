"""A candidate into production: find it, build its index, switch. And back again. `judging` says whether it may."""

from contextlib import ExitStack
from typing import TYPE_CHECKING

from llm_engineering.application import promotion, versioning
from llm_engineering.bootstrap import Workspace, open_registry
from llm_engineering.bootstrap import promoting as parts
from llm_engineering.config import Load, PromotionConfig
from llm_engineering.domain.errors import BackendError, GateFailed, UsageError
from llm_engineering.domain.indexes import Plan
from llm_engineering.domain.models import RegisteredModel, Stage, Switch
from llm_engineering.domain.promotions import PromotionEvidence, PromotionReport, PromotionVerdict
from llm_engineering.stages import features
from llm_engineering.stages.comparable import check_comparable, questions_for
from llm_engineering.stages.judging import against, case_of, dataset_of, keep_verdict, production_of
from llm_engineering.stages.judging_searches import BASE

if TYPE_CHECKING:
    from llm_engineering.domain.documents import Document
    from llm_engineering.infrastructure.parquet import ParquetDataset

PRODUCTION = Stage.PRODUCTION


def name_candidate(config: PromotionConfig) -> tuple[PromotionConfig, PromotionConfig]:
    """Return the configuration with the very version that is to be promoted, and the one that its index is built with.

    Raises:
        UsageError: no model is named, there is no such version, or the configuration has no place for it.
    """
    workspace = Workspace()
    model = _candidate(config, workspace)
    settings = config.promotion.model_copy(update={"model": model.reference} | _metric(config, model, workspace))
    config = config.model_copy(update={"promotion": settings})
    return config, parts.with_candidate(config, model)


def makes_index(config: PromotionConfig) -> bool:
    """Whether an index is made with the candidate."""
    return _candidate(config, Workspace()).kind == "embedder"


def plan_index(config: PromotionConfig, run: int) -> "tuple[Plan, ParquetDataset[Document]]":
    """Plan the index version of a candidate, beside the active one: readers go on with theirs.

    Raises:
        UsageError: what readers see cannot be compared with it, so it would be built for nothing.
    """
    workspace = Workspace()
    model = _candidate(config, workspace)
    if model.stage is not PRODUCTION:
        card = dataset_of(config, model, workspace)
        questions = questions_for(card, workspace) if card else ()
        check_comparable(config, production_of(model, workspace), questions, run)
    plan, documents = features.plan(config, config.select.sources, run)
    return plan.model_copy(update={"serves": False, "activates": True}), documents


def find_candidate(config: PromotionConfig, run: int) -> RegisteredModel:
    """Return the candidate, if nothing speaks against it before it is evaluated; it is in stage staging from now on.

    Raises:
        UsageError: there is no such version.
        GateFailed: its files or its card are not as they have to be, or it could have seen the held-out rows. The
            verdict is kept.
    """
    workspace = Workspace()
    workspace.keep_alive(run)
    model = _candidate(config, workspace)
    parts.settle(workspace, model.name)
    verdict = promotion.judge(
        case_of(config, model, PromotionEvidence(), workspace), config.promotion, promotion.BEFOREHAND
    )
    if not verdict.passed:
        _refuse(keep_verdict(verdict, model, config, run, workspace))
    if model.stage is Stage.PRODUCTION:
        return model
    return open_registry(workspace).set_stage(model, Stage.STAGING)


def promote(
    config: PromotionConfig, model: RegisteredModel, verdict: PromotionVerdict, plan: Plan | None, run: int
) -> PromotionReport:
    """Put the candidate into production, with its index, if the verdict says so.

    Raises:
        UsageError: the model's files are not those that were judged.
        BackendError: somebody else promoted another version meanwhile.
    """
    workspace = Workspace()
    workspace.keep_alive(run)
    registry = open_registry(workspace)
    if not verdict.passed:
        return PromotionReport(
            model=model.reference, promoted=False, verdict=verdict, note="what was in production stays"
        )
    if registry.find(model.reference).stage is Stage.PRODUCTION:
        return PromotionReport(
            model=model.reference, promoted=False, verdict=verdict, note="it is in production already"
        )
    registry.folder(model)
    left = production_of(model, workspace)
    if (
        verdict.against != against(left, model, config)
        or verdict.model != model.reference
        or verdict.weights != model.weights
    ):
        raise BackendError(
            f"the verdict compared {model.reference} with {verdict.against}, which is in production no longer"
        )
    with workspace.warehouse() as warehouse, workspace.store(config.load, run) as store:
        switch = parts.signed(promotion.promotion_of(model, left), config.load, run)
        if plan is not None:
            places = {
                "collection": plan.collection,
                "index": plan.manifest.version,
                "index_left": versioning.seen(store),
            }
            switch = switch.model_copy(update=places)
        done = promotion.switch(registry, warehouse, store if plan else None, switch)
    return PromotionReport(
        model=model.reference,
        promoted=True,
        left=_named(left, model),
        index=done.index,
        index_left=done.index_left,
        verdict=verdict,
    )


def rollback(name: str, run: int) -> PromotionReport:
    """Put back into production what was there before, with the index version that went with it.

    Raises:
        UsageError: there is nothing to go back to, or its files or its index are gone.
    """
    workspace = Workspace()
    registry = open_registry(workspace)
    parts.settle(workspace, name)
    back = way_back(name)
    former = registry.find(f"{name}@{back.number}") if back.number else None
    if former is not None and former.kind != "retrieval":
        registry.folder(former)
    load = Load.model_validate(back.load)
    with ExitStack() as stack:
        warehouse = stack.enter_context(workspace.warehouse())
        store = stack.enter_context(workspace.store(load, run)) if back.index else None
        done = promotion.switch(registry, warehouse, store, parts.signed(back, load, run))
    named = _named(former, registry.find(f"{name}@{done.left}"))
    return PromotionReport(
        model=named, promoted=True, left=f"{name}@{done.left}", index=done.index, index_left=done.index_left
    )


def way_back(name: str) -> Switch:
    """Return the switch that leads back to what was in production before.

    Raises:
        UsageError: there is nothing to go back to.
    """
    return promotion.way_back(open_registry(Workspace()).switches(name), name)


def check_promotion(report: PromotionReport) -> None:
    """Fail the run of a candidate that was refused.

    Raises:
        GateFailed: with the verdict, and all reasons in the message.
    """
    if report.verdict is not None and not report.verdict.passed:
        _refuse(report.verdict)


def _named(former: RegisteredModel | None, model: RegisteredModel) -> str:
    """Name what is in production where `model` is not. No language model serves under a name that has none there."""
    if former is not None:
        return former.reference
    return "nothing" if model.kind == "llm" else BASE


def _refuse(verdict: PromotionVerdict) -> None:
    raise GateFailed(
        f"{verdict.model} is not promoted: {'; '.join(verdict.reasons)}. What was in production stays in production",
        verdict,
    )


def _metric(config: PromotionConfig, model: RegisteredModel, workspace: Workspace) -> dict[str, str]:
    """Return the metric that a language model is judged by, which its data set decides."""
    if model.is_pretrained:
        return {"metric": promotion.LANGUAGE_METRICS["instruction"]}
    card = dataset_of(config, model, workspace) if model.kind == "llm" else None
    return {"metric": promotion.LANGUAGE_METRICS.get(card.kind, config.promotion.metric)} if card else {}


def _candidate(config: PromotionConfig, workspace: Workspace) -> RegisteredModel:
    reference = config.promotion.model
    if not reference:
        raise UsageError(
            "name the model to promote: promotion.model (NAME, NAME@NUMBER), or --set promotion.model=NAME"
        )
    registry = open_registry(workspace)
    if "@" in reference:
        return registry.find(reference)
    versions = registry.versions(reference)
    # The port's `NAME` is what is in production; here the newest one is meant.
    return versions[-1] if versions else registry.find(reference)

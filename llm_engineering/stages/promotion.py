"""A candidate into production: find it, build its index, evaluate both, judge, switch. And back again."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from loguru import logger

from llm_engineering.application import planning, promotion, versioning
from llm_engineering.application.datasets import held_questions
from llm_engineering.application.evaluation import compare
from llm_engineering.application.evaluation.general import general_digest, general_ndcg
from llm_engineering.application.promotion.asking import Evaluated
from llm_engineering.bootstrap import Workspace, open_datasets, open_registry
from llm_engineering.bootstrap import promoting as parts
from llm_engineering.bootstrap.registered import retrieval_of
from llm_engineering.config import Load, PromotionConfig
from llm_engineering.domain.datasets import DatasetCard, RetrievalPair, Split
from llm_engineering.domain.errors import BackendError, GateFailed, LLMEngineeringError, UsageError
from llm_engineering.domain.evaluation import EvaluationComparison
from llm_engineering.domain.indexes import IndexManifest, Plan
from llm_engineering.domain.models import RegisteredModel, Stage, Switch
from llm_engineering.domain.ports import Embedder, VectorStore, Warehouse
from llm_engineering.domain.promotions import (
    Check,
    GeneralFigures,
    PromotionEvidence,
    PromotionReport,
    PromotionVerdict,
)
from llm_engineering.domain.value import digest
from llm_engineering.infrastructure.embedders import EmbedderSpec
from llm_engineering.stages import features

if TYPE_CHECKING:
    from llm_engineering.application.evaluation.settings import EvaluationSettings
    from llm_engineering.domain.documents import Document
    from llm_engineering.infrastructure.parquet import ParquetDataset

BASE = "the configured base model"
PRODUCTION = Stage.PRODUCTION


def name_candidate(config: PromotionConfig) -> tuple[PromotionConfig, PromotionConfig]:
    """Return the configuration with the very version that is to be promoted, and the one that its index is built with.

    Raises:
        UsageError: no model is named, there is no such version, or the configuration has no place for it.
    """
    workspace = Workspace()
    model = _candidate(config, workspace)
    settings = config.promotion.model_copy(update={"model": model.reference})
    config = config.model_copy(update={"promotion": settings})
    return config, parts.with_candidate(config, model)


def makes_index(config: PromotionConfig) -> bool:
    """Whether an index is made with the candidate."""
    return _candidate(config, Workspace()).kind == "embedder"


def plan_index(config: PromotionConfig, run: int) -> "tuple[Plan, ParquetDataset[Document]]":
    """Plan the index version of a candidate, beside the active one: readers go on with theirs."""
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
        _case(config, model, PromotionEvidence(), workspace), config.promotion, promotion.BEFOREHAND
    )
    if not verdict.passed:
        _refuse(_kept(verdict, model, config, run, workspace))
    if model.stage is Stage.PRODUCTION:
        return model
    return open_registry(workspace).set_stage(model, Stage.STAGING)


def evaluate_candidate(
    config: PromotionConfig, model: RegisteredModel, plan: Plan | None, run: int
) -> PromotionEvidence:
    """Ask the held-out questions of what readers see now, and of the candidate; and the general ones of its model.

    Raises:
        UsageError: there is no index to compare with, or it is not up to date.
        BackendError: a model or a store failed.
    """
    workspace = Workspace()
    workspace.keep_alive(run)
    if model.stage is Stage.PRODUCTION:
        return PromotionEvidence()
    card = _dataset(config, model, workspace)
    assert card is not None  # noqa: S101 - find_candidate refuses a model without one
    questions = held_questions(open_datasets(workspace).rows(card, [Split.TEST]))
    section = retrieval_of(config.retrieval, workspace.home)
    after_section = retrieval_of(parts.with_candidate(config, model).retrieval, workspace.home)
    settings = _with_metric(config)
    with ExitStack() as stack:
        warehouse = stack.enter_context(workspace.warehouse())
        store = stack.enter_context(workspace.store(config.load, run))
        active = _active(store, warehouse, config, plan)
        relevant = promotion.answers_of(
            questions, list(warehouse.indexed_places(config.load.collection, active.version))
        )
        old = stack.enter_context(store.read())
        new = stack.enter_context(store.write(plan.manifest)) if plan else old
        before_model = _embedder(old.manifest, section.mode != "sparse" or model.kind == "embedder", workspace)
        same = new.manifest.model.digest == old.manifest.model.digest
        after_model = before_model if same else _embedder(new.manifest, True, workspace)
        sides: list[Evaluated] = []
        for index, embedder, its_section in ((old, before_model, section), (new, after_model, after_section)):
            subject = parts.subject_of(index, its_section, config.load.collection)
            with parts.asking_version(index, embedder, its_section, workspace) as find:
                sides.append(
                    promotion.asked(questions, relevant, find, subject, card, settings, workspace.progress, run)
                )
        comparison = compare(sides[0], sides[1], settings)
        general = _general(model, before_model, after_model)
    _log(comparison, config.promotion.metric)
    return PromotionEvidence(before=sides[0][0], after=sides[1][0], comparison=comparison, general=general)


def judge_candidate(
    config: PromotionConfig, model: RegisteredModel, evidence: PromotionEvidence, plan: Plan | None, run: int
) -> PromotionVerdict:
    """Return the verdict on the candidate, with all its numbers; it is kept whatever it says."""
    workspace = Workspace()
    workspace.keep_alive(run)
    if model.stage is Stage.PRODUCTION:
        check = Check(name="production", passed=True, detail="it is in production already")
        return PromotionVerdict(
            model=model.reference, against=model.reference, metric=config.promotion.metric, passed=True, checks=(check,)
        )
    case = _case(config, model, evidence, workspace, _subject(config, model, plan))
    verdict = promotion.judge(case, config.promotion)
    return _kept(verdict, model, config, run, workspace, plan)


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
    left = _production(model, workspace)
    if (
        verdict.against != _against(left, config)
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
        left=verdict.against,
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
    named = former.reference if former else BASE
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


def _refuse(verdict: PromotionVerdict) -> None:
    raise GateFailed(
        f"{verdict.model} is not promoted: {'; '.join(verdict.reasons)}. What was in production stays in production",
        verdict,
    )


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


def _production(model: RegisteredModel, workspace: Workspace) -> RegisteredModel | None:
    registry = open_registry(workspace)
    number = registry.stage_of(model.name, Stage.PRODUCTION)
    return registry.find(f"{model.name}@{number}") if number else None


def _against(left: RegisteredModel | None, config: PromotionConfig) -> str:  # noqa: ARG001 - one place for the name
    return left.reference if left else BASE


def _dataset(config: PromotionConfig, model: RegisteredModel, workspace: Workspace) -> DatasetCard | None:
    reference = config.promotion.dataset or model.dataset
    return open_datasets(workspace).find(reference) if reference else None


def _case(
    config: PromotionConfig,
    model: RegisteredModel,
    evidence: PromotionEvidence,
    workspace: Workspace,
    subject: Mapping[str, str] | None = None,
) -> promotion.Case:
    problems: list[str] = []
    card: DatasetCard | None = None
    rows: Sequence[RetrievalPair] = ()
    try:
        open_registry(workspace).folder(model)
    except LLMEngineeringError as error:
        problems.append(str(error))
    try:
        card = _dataset(config, model, workspace)
        rows = open_datasets(workspace).rows(card, list(Split)) if card else ()
    except LLMEngineeringError as error:
        problems.append(str(error))
    against = _against(_production(model, workspace), config)
    return promotion.Case(model, against, card, rows, evidence, problems, dict(subject or {}))


def _subject(config: PromotionConfig, model: RegisteredModel, plan: Plan | None) -> dict[str, str]:
    """Return what the evaluation of the candidate must have asked."""
    if plan is not None:
        return {"fingerprint": plan.manifest.fingerprint, "model": plan.manifest.model.digest}
    if model.kind == "reranker":
        return {"reranker": model.weights}
    workspace = Workspace()
    section = retrieval_of(parts.with_candidate(config, model).retrieval, workspace.home)
    return {"retrieval": digest(section.model_dump(mode="json"))}


def _kept(
    verdict: PromotionVerdict,
    model: RegisteredModel,
    config: PromotionConfig,
    run: int,
    workspace: Workspace,
    plan: Plan | None = None,
) -> PromotionVerdict:
    """Keep a verdict beside the model, and its figures in the card."""
    verdict = verdict.model_copy(
        update={
            "collection": config.load.collection,
            "index": plan.manifest.version if plan else "",
            "run": run,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
    )
    registry = open_registry(workspace)
    path = registry.keep_verdict(model, f"run{run}", verdict.model_dump_json(indent=1))
    logger.info("{}; kept in {}", verdict, path)
    after = verdict.evidence.after
    sound = any(check.name == "evaluation" and check.passed for check in verdict.checks)
    if sound and after is not None and after.slices:
        metrics = {f"test/{name}": figure for name, figure in after.slices[0].metrics.items()}
        made = {"collection": config.load.collection, "version": verdict.index} if verdict.index else {}
        evaluations = tuple(dict.fromkeys([*model.evaluations, after.id]))
        registry.keep(
            registry.find(model.reference).model_copy(
                update={"metrics": model.metrics | metrics, "evaluations": evaluations, "index": model.index | made}
            )
        )
    return verdict


def _active(store: VectorStore, warehouse: Warehouse, config: PromotionConfig, plan: Plan | None) -> IndexManifest:
    """Return what readers see, if it holds the same documents as the candidate's index.

    Raises:
        UsageError: it does not, or there is nothing; a comparison would be one of documents, not of models.
    """
    active = store.active()
    if active is None:
        raise UsageError(
            f"collection {config.load.collection!r} has no active index to compare with; run the feature pipeline first"
        )
    if plan is not None:
        left = planning.changes(warehouse, config.load.collection, active.version, config.select.sources)
        if left.new or left.changed or left.removed:
            raise UsageError(
                f"the active index {active.version} is behind the warehouse ({len(left.new)} new, {len(left.changed)} "
                f"changed, {len(left.removed)} removed documents); run the feature pipeline first, or the comparison "
                "would be one of documents, not of models"
            )
    return active


def _embedder(manifest: IndexManifest, needed: bool, workspace: Workspace) -> Embedder | None:
    from pydantic import TypeAdapter

    if not needed:
        return None
    spec: EmbedderSpec = TypeAdapter(EmbedderSpec).validate_python(manifest.settings["embedding"])
    return spec.open(workspace.home)


def _general(model: RegisteredModel, before: Embedder | None, after: Embedder | None) -> GeneralFigures | None:
    if model.kind != "embedder" or before is None or after is None:
        return None
    return GeneralFigures(digest=general_digest(), before=general_ndcg(before), after=general_ndcg(after))


def _with_metric(config: PromotionConfig) -> "EvaluationSettings":
    settings, metric = config.evaluation, config.promotion.metric
    compared = settings.compared if metric in settings.compared else (metric, *settings.compared)
    return settings.model_copy(update={"compared": compared})


def _log(comparison: EvaluationComparison, metric: str) -> None:
    whole = comparison.of(metric)
    logger.info("{} {:.3f} → {:.3f}: {}", metric, whole.before, whole.after, whole.verdict)

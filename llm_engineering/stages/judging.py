"""The evidence for and against a candidate: ask it and what is in production, judge, keep the verdict."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from loguru import logger
from pydantic import TypeAdapter

from llm_engineering.application import planning, promotion
from llm_engineering.application.datasets import held_questions
from llm_engineering.application.evaluation import compare
from llm_engineering.application.evaluation.general import general_digest, general_ndcg
from llm_engineering.application.promotion.asking import Evaluated
from llm_engineering.application.retrieval import Reranking
from llm_engineering.bootstrap import Workspace, open_datasets, open_evaluations, open_registry
from llm_engineering.bootstrap import promoting as parts
from llm_engineering.bootstrap.registered import retrieval_of
from llm_engineering.config import PromotionConfig
from llm_engineering.domain.datasets import DatasetCard, DatasetRow, Split
from llm_engineering.domain.errors import LLMEngineeringError, UsageError
from llm_engineering.domain.evaluation import EvaluationComparison
from llm_engineering.domain.indexes import IndexManifest, Plan
from llm_engineering.domain.models import RegisteredModel, Stage
from llm_engineering.domain.ports import Embedder, VectorStore, Warehouse
from llm_engineering.domain.promotions import Check, GeneralFigures, PromotionEvidence, PromotionVerdict
from llm_engineering.domain.value import digest
from llm_engineering.infrastructure.embedders import EmbedderSpec
from llm_engineering.stages.judging_llms import evaluate_language_model, rows_of
from llm_engineering.stages.telling import tell

if TYPE_CHECKING:
    from llm_engineering.application.evaluation.settings import EvaluationSettings

BASE = "the configured base model"
Side = tuple[Embedder, Reranking | None]


def evaluate_candidate(
    config: PromotionConfig, model: RegisteredModel, plan: Plan | None, run: int
) -> PromotionEvidence:
    """Ask the held-out questions of what readers see now, and of the candidate; and the general ones of both.

    Both evaluations are kept, under the names of what was asked.

    Raises:
        UsageError: there is no index to compare with, or it is not up to date.
        BackendError: a model or a store failed.
    """
    workspace = Workspace()
    workspace.keep_alive(run)
    if model.stage is Stage.PRODUCTION:
        return PromotionEvidence()
    card = dataset_of(config, model, workspace)
    assert card is not None  # noqa: S101 - find_candidate refuses a model without one
    if model.kind == "llm":
        return evaluate_language_model(config, model, production_of(model, workspace), card, workspace)
    questions = held_questions(open_datasets(workspace).rows(card, [Split.TEST]))
    sections = [
        retrieval_of(retrieval, workspace.home)
        for retrieval in (config.retrieval, parts.with_candidate(config, model).retrieval)
    ]
    names = [against(production_of(model, workspace)), model.reference]
    settings, kept = _with_metric(config), open_evaluations(workspace)
    sides: list[Evaluated] = []
    models: list[Side] = []
    with ExitStack() as stack:
        warehouse = stack.enter_context(workspace.warehouse())
        store = stack.enter_context(workspace.store(config.load, run))
        active = _active(store, warehouse, config, plan)
        relevant = promotion.answers_of(
            questions, list(warehouse.indexed_places(config.load.collection, active.version))
        )
        old = stack.enter_context(store.read())
        new = stack.enter_context(store.write(plan.manifest)) if plan else old
        for index, section, name in zip((old, new), sections, names, strict=True):
            same = models and index.manifest.model.digest == old.manifest.model.digest
            embedder = models[0][0] if same else _embedder(index.manifest, workspace)
            reranking = parts.reranking_of(section, embedder, workspace)
            models.append((embedder, reranking))
            find = parts.asking_version(index, embedder, section, reranking, workspace)
            subject = parts.subject_of(index, section, config.load.collection)
            sides.append(
                promotion.asked(questions, relevant, find, name, subject, card, settings, workspace.progress, run)
            )
            kept.write(*sides[-1])
            tell(config.tracking, sides[-1][0], settings, workspace, "promotion")
        comparison = compare(sides[0], sides[1], settings, decisive=config.promotion.metric)
        general, problems = _general(config, model, models)
    _log(comparison, config.promotion.metric)
    return PromotionEvidence(
        before=sides[0][0], after=sides[1][0], comparison=comparison, general=general, problems=problems
    )


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
    case = case_of(config, model, evidence, workspace, _subject(config, model, plan))
    verdict = promotion.judge(case, config.promotion)
    return keep_verdict(verdict, model, config, run, workspace, plan)


def production_of(model: RegisteredModel, workspace: Workspace) -> RegisteredModel | None:
    """Return the version of the same name that is in production, if there is one."""
    registry = open_registry(workspace)
    number = registry.stage_of(model.name, Stage.PRODUCTION)
    return registry.find(f"{model.name}@{number}") if number else None


def against(left: RegisteredModel | None) -> str:
    """Name what a candidate is compared with."""
    return left.reference if left else BASE


def dataset_of(config: PromotionConfig, model: RegisteredModel, workspace: Workspace) -> DatasetCard | None:
    """Return the data set whose held-out questions judge a candidate."""
    reference = config.promotion.dataset or model.dataset
    return open_datasets(workspace).find(reference) if reference else None


def case_of(
    config: PromotionConfig,
    model: RegisteredModel,
    evidence: PromotionEvidence,
    workspace: Workspace,
    subject: Mapping[str, str] | None = None,
) -> promotion.Case:
    """Return all that a candidate is judged by; what cannot be read of it is a problem of the case."""
    problems: list[str] = []
    card: DatasetCard | None = None
    rows: Sequence[DatasetRow] = ()
    try:
        open_registry(workspace).folder(model)
    except LLMEngineeringError as error:
        problems.append(str(error))
    try:
        card = dataset_of(config, model, workspace)
        rows = rows_of(model, card, list(Split), workspace) if card else ()
    except LLMEngineeringError as error:
        problems.append(str(error))
    against_what = against(production_of(model, workspace))
    return promotion.Case(model, against_what, card, rows, evidence, problems, dict(subject or {}))


def _subject(config: PromotionConfig, model: RegisteredModel, plan: Plan | None) -> dict[str, str]:
    """Return what the evaluation of the candidate must have asked."""
    if plan is not None:
        return {"fingerprint": plan.manifest.fingerprint, "model": plan.manifest.model.digest}
    if model.kind in ("reranker", "llm"):
        return {"reranker" if model.kind == "reranker" else "model": model.weights}
    section = retrieval_of(parts.with_candidate(config, model).retrieval, Workspace().home)
    return {"retrieval": digest(section.model_dump(mode="json"))}


def keep_verdict(
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


def _embedder(manifest: IndexManifest, workspace: Workspace) -> Embedder:
    spec: EmbedderSpec = TypeAdapter(EmbedderSpec).validate_python(manifest.settings["embedding"])
    return spec.open(workspace.home)


def _general(
    config: PromotionConfig, model: RegisteredModel, sides: Sequence[Side]
) -> tuple[GeneralFigures | None, tuple[str, ...]]:
    """Ask the general questions of a model that could forget, and of what it is to follow; else say why not.

    A model may be unable to read them, for example because its window is too short for the passages.
    """
    if model.kind not in promotion.WITH_WEIGHTS or config.promotion.max_general_loss is None:
        return None, ()
    try:
        before, after = (general_ndcg(embedder, reranking) for embedder, reranking in sides)
    except LLMEngineeringError as error:
        return None, (f"the general questions could not be asked: {error}",)
    return GeneralFigures(digest=general_digest(), before=before, after=after), ()


def _with_metric(config: PromotionConfig) -> "EvaluationSettings":
    settings, metric = config.evaluation, config.promotion.metric
    compared = settings.compared if metric in settings.compared else (metric, *settings.compared)
    return settings.model_copy(update={"compared": compared})


def _log(comparison: EvaluationComparison, metric: str) -> None:
    whole = comparison.of(metric)
    logger.info("{} {:.3f} → {:.3f}: {}", metric, whole.before, whole.after, whole.verdict)

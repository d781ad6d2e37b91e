"""The evidence for and against a model that searches: the held-out questions, asked with it and without it."""

from collections.abc import Sequence
from contextlib import ExitStack

from loguru import logger

from llm_engineering.application import promotion
from llm_engineering.application.evaluation import compare
from llm_engineering.application.evaluation.general import general_digest, general_ndcg
from llm_engineering.application.evaluation.settings import EvaluationSettings
from llm_engineering.application.promotion.asking import Evaluated
from llm_engineering.application.retrieval import Reranking
from llm_engineering.application.retrieval.candidates import fitting
from llm_engineering.bootstrap import Workspace, open_evaluations
from llm_engineering.bootstrap import promoting as parts
from llm_engineering.bootstrap.registered import as_made, retrieval_of
from llm_engineering.config import PromotionConfig
from llm_engineering.config.retrieval import RetrievalSection
from llm_engineering.domain.datasets import DatasetCard
from llm_engineering.domain.errors import LLMEngineeringError
from llm_engineering.domain.evaluation import EvaluationComparison
from llm_engineering.domain.indexes import IndexManifest, Plan
from llm_engineering.domain.models import RegisteredModel
from llm_engineering.domain.ports import Embedder
from llm_engineering.domain.promotions import GeneralFigures, PromotionEvidence
from llm_engineering.stages.comparable import comparable_index, questions_for
from llm_engineering.stages.telling import tell

BASE = "the configured base model"
Side = tuple[Embedder, Reranking | None]


def evaluate_search(
    config: PromotionConfig,
    model: RegisteredModel,
    left: RegisteredModel | None,
    card: DatasetCard,
    plan: Plan | None,
    workspace: Workspace,
    run: int,
) -> PromotionEvidence:
    """Ask the questions of the index that readers see, searched as now, and of the candidate's, searched with it.

    Raises:
        UsageError: there is no index to compare with, or it is not up to date.
        BackendError: a model or a store failed.
    """
    questions = questions_for(card, workspace)
    names = [left.reference if left else BASE, model.reference]
    settings, kept = _with_metric(config), open_evaluations(workspace)
    sides: list[Evaluated] = []
    models: list[Side] = []
    with ExitStack() as stack:
        warehouse = stack.enter_context(workspace.warehouse())
        store = stack.enter_context(workspace.store(config.load, run))
        active = comparable_index(store, warehouse, config, left, builds=plan is not None)
        places = list(warehouse.indexed_places(config.load.collection, active.version))
        relevant = promotion.answers_of(questions, places)
        old = stack.enter_context(store.read())
        new = stack.enter_context(store.write(plan.manifest)) if plan else old
        sections = _sections(config, model, workspace)
        # Both sides are opened before either is asked: what cannot be opened is known before minutes are spent.
        for index, section in zip((old, new), sections, strict=True):
            same = models and index.manifest.model.digest == old.manifest.model.digest
            embedder = models[0][0] if same else _embedder(index.manifest, workspace)
            models.append((embedder, parts.reranking_of(section, embedder, workspace)))
        for index, section, name, (embedder, reranking) in zip((old, new), sections, names, models, strict=True):
            find = parts.asking_version(index, embedder, section, reranking, workspace)
            subject = parts.subject_of(index, section, config.load.collection)
            side = promotion.asked(questions, relevant, find, name, subject, card, settings, workspace.progress, run)
            sides.append(side)
            kept.write(*side)
            tell(config.tracking, side[0], settings, workspace, "promotion")
        before, after = sides
        comparison = compare(before, after, settings, decisive=config.promotion.metric)
        general, problems = _general(config, model, models)
    _log(comparison, config.promotion.metric)
    return PromotionEvidence(
        before=before[0], after=after[0], comparison=comparison, general=general, problems=problems
    )


def _sections(config: PromotionConfig, model: RegisteredModel, workspace: Workspace) -> list[RetrievalSection]:
    """Return how is searched now, and how with the candidate."""
    both = (config.retrieval, parts.with_candidate(config, model).retrieval)
    return [retrieval_of(section, workspace.home) for section in both]


def _embedder(manifest: IndexManifest, workspace: Workspace) -> Embedder:
    return fitting(as_made(manifest).open(workspace.home), manifest.model)


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


def _with_metric(config: PromotionConfig) -> EvaluationSettings:
    settings, metric = config.evaluation, config.promotion.metric
    compared = settings.compared if metric in settings.compared else (metric, *settings.compared)
    return settings.model_copy(update={"compared": compared})


def _log(comparison: EvaluationComparison, metric: str) -> None:
    whole = comparison.of(metric)
    logger.info("{} {:.3f} → {:.3f}: {}", metric, whole.before, whole.after, whole.verdict)

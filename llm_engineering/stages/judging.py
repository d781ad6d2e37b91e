"""The evidence for and against a candidate: ask it and what is in production, judge, keep the verdict."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from loguru import logger

from llm_engineering.application import promotion
from llm_engineering.bootstrap import Workspace, open_datasets, open_registry
from llm_engineering.bootstrap import promoting as parts
from llm_engineering.bootstrap.registered import retrieval_of
from llm_engineering.config import PromotionConfig
from llm_engineering.domain.datasets import DatasetCard, DatasetRow, Split
from llm_engineering.domain.errors import LLMEngineeringError, UsageError
from llm_engineering.domain.indexes import Plan
from llm_engineering.domain.models import RegisteredModel, Stage
from llm_engineering.domain.promotions import Check, PromotionEvidence, PromotionVerdict
from llm_engineering.domain.value import digest
from llm_engineering.stages.ancestry import learnt_elsewhere
from llm_engineering.stages.judging_llms import evaluate_language_model, rows_of
from llm_engineering.stages.judging_searches import BASE, evaluate_search
from llm_engineering.stages.judging_texts import BARS, corpus_of, evaluate_pretrained


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
    left = production_of(model, workspace)
    if model.is_pretrained:
        return evaluate_pretrained(config, model, left, workspace)
    card = dataset_of(config, model, workspace)
    assert card is not None  # noqa: S101 - find_candidate refuses a model without one
    if model.kind == "llm":
        return evaluate_language_model(config, model, left, card, workspace)
    return evaluate_search(config, model, left, card, plan, workspace, run)


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


def against(left: RegisteredModel | None, model: RegisteredModel, config: PromotionConfig) -> str:
    """Name what a candidate is compared with."""
    if left is not None:
        return left.reference
    return BARS[config.promotion.bar] if model.is_pretrained else BASE


def dataset_of(config: PromotionConfig, model: RegisteredModel, workspace: Workspace) -> DatasetCard | None:
    """Return the data set whose held-out questions judge a candidate; none for a pretrained one, which texts judge.

    Raises:
        UsageError: there is no such data set, or one is named for a pretrained model.
    """
    if model.is_pretrained:
        if config.promotion.dataset:
            raise UsageError(
                f"{model.reference} was pretrained on the documents that data sets are made of; it is judged by those "
                "which were held out from it. Leave promotion.dataset out, or promote a model fine-tuned from it"
            )
        return None
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
    learnt: Sequence[DatasetRow] = ()
    corpus = ""
    try:
        open_registry(workspace).folder(model)
    except LLMEngineeringError as error:
        problems.append(str(error))
    try:
        card = dataset_of(config, model, workspace)
        rows = rows_of(model, card, list(Split), workspace) if card else ()
        learnt = learnt_elsewhere(model, card, workspace) if card else ()
        corpus = corpus_of(config, model, workspace) if model.is_pretrained else ""
    except LLMEngineeringError as error:
        problems.append(str(error))
    against_what = against(production_of(model, workspace), model, config)
    return promotion.Case(model, against_what, card, rows, evidence, problems, dict(subject or {}), corpus, learnt)


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


def _subject(config: PromotionConfig, model: RegisteredModel, plan: Plan | None) -> dict[str, str]:
    """Return what the evaluation of the candidate must have asked."""
    if plan is not None:
        return {"fingerprint": plan.manifest.fingerprint, "model": plan.manifest.model.digest}
    if model.kind in ("reranker", "llm"):
        return {"reranker" if model.kind == "reranker" else "model": model.weights}
    section = retrieval_of(parts.with_candidate(config, model).retrieval, Workspace().home)
    return {"retrieval": digest(section.model_dump(mode="json"))}

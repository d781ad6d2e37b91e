"""Say what a pipeline would do with a configuration, without doing any of it."""

import json
from collections.abc import Iterator
from typing import Any

import yaml

from llm_engineering import bootstrap, stages
from llm_engineering.bootstrap import Workspace, open_datasets
from llm_engineering.config import (
    BatchInferenceConfig,
    Config,
    DatasetConfig,
    DigitalDataEtlConfig,
    EvaluationConfig,
    FeatureConfig,
    FeatureEngineeringConfig,
    InstructDatasetConfig,
    LlmEvaluationConfig,
    PreferenceDatasetConfig,
    PretrainingConfig,
    PromotionConfig,
    TrainingConfig,
    link_name,
)
from llm_engineering.config.instructions import section_of
from llm_engineering.domain.costs import Cost
from llm_engineering.domain.secrets import redacted
from llm_engineering.infrastructure.trainers.language.settings import LanguageTraining


def describe(name: str, config: Config, *, as_json: bool) -> str:
    """Return the steps that would run, each with what it would work on, and the resolved configuration."""
    steps = list(_steps(config))
    cost = _cost(config)
    resolved = redacted(config.model_dump(mode="json"))
    if as_json:
        return json.dumps(
            {
                "pipeline": name,
                "dry_run": True,
                "steps": dict(steps),
                "cost": cost and cost.model_dump(),
                "config": resolved,
            }
        )
    lines = [f"{name} would run these steps:"]
    lines += [f"  {step:<20} {what}" for step, what in steps]
    if cost:
        lines += ["", f"cost of what is in the warehouse now (a dry run fetches nothing): {cost}"]
    lines += ["", "with this configuration (defaults included):", _yaml(resolved)]
    return "\n".join(lines).rstrip()


def _yaml(resolved: dict[str, Any]) -> str:
    """Write what has no parts of its own on one line: a list of patterns is long."""
    return yaml.safe_dump(resolved, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True)


def _cost(config: Config) -> Cost | None:
    """Return what the run would cost, or None for a pipeline that makes no features."""
    if not isinstance(config, FeatureEngineeringConfig):
        return None
    return stages.estimate(config, config.source_names if isinstance(config, FeatureConfig) else config.select.sources)


def _steps(config: Config) -> Iterator[tuple[str, str]]:
    if isinstance(config, DigitalDataEtlConfig):
        yield from _into_warehouse(config)
    if isinstance(config, PromotionConfig):
        yield from _into_production(config)
    elif isinstance(config, FeatureEngineeringConfig):
        yield from _into_feature_store(config)
    if isinstance(config, BatchInferenceConfig):
        yield from _into_answers(config)
    if isinstance(config, TrainingConfig):
        yield from _into_model(config)
    if isinstance(config, PretrainingConfig):
        yield from _into_language_model(config)
    if isinstance(config, EvaluationConfig):
        yield from _into_figures(config)
    if isinstance(config, LlmEvaluationConfig):
        yield from _into_judgements(config)
    if isinstance(config, DatasetConfig):
        yield from _into_dataset(config)
    if isinstance(config, InstructDatasetConfig):
        yield from _into_language_dataset(config, "instructions")
    if isinstance(config, PreferenceDatasetConfig):
        yield from _into_language_dataset(config, "preferences")


def _into_warehouse(config: DigitalDataEtlConfig) -> Iterator[tuple[str, str]]:
    if config.author:
        yield "get_or_create_user", config.author.user_full_name
        yield "crawl_links", ", ".join(link_name(link) for link in config.author.links)
    if config.ingest.sources:
        yield "ingest", "; ".join(f"{source.name} ({source.kind})" for source in config.ingest.sources)


def _into_feature_store(config: FeatureEngineeringConfig) -> Iterator[tuple[str, str]]:
    workspace = Workspace()
    manifest = bootstrap.manifest_of(config, workspace.home)
    with workspace.store(config.load) as store:
        active = store.active()
    same = active is not None and active.fingerprint == manifest.fingerprint
    version = f"bring {active.version} up to date" if active and same else "build a new index version, then switch"
    chosen = config.select.sources or "those of this file, or all"
    yield "plan", f"collection {config.load.collection}: {version}; sources: {chosen}"
    yield "clean", ", ".join(cleaner.kind for cleaner in config.cleaning.cleaners)
    yield "chunk", f"{config.chunking.kind}, at most {manifest.model.max_tokens} tokens"
    yield "tokenize", "words, stems, BM25"
    yield "embed", f"{manifest.model.name}, {manifest.model.dimension} dimensions, sha256 {manifest.model.digest[:12]}…"
    spec = workspace.store_spec(config.load)
    place = f"at {spec.url or workspace.settings.qdrant_url}" if spec.kind == "qdrant" else f"in {workspace.home}"
    yield "load", f"{spec.kind} {place}"
    yield "verify", "ledger and store hold the same points"
    if config.gate.questions:
        yield "evaluate", f"questions in {config.gate.questions}, if readers are to see another version"
    yield "activate", "readers see the verified version"


def _into_production(config: PromotionConfig) -> Iterator[tuple[str, str]]:
    config, built = stages.name_candidate(config)
    yield "find_candidate", f"{config.promotion.model}: files, card, data set, leaks"
    if stages.makes_index(config):
        made = [step for step in _into_feature_store(built) if step[0] not in ("evaluate", "activate")]
        yield from ((step, what.replace(", then switch", ", which readers do not see")) for step, what in made)
    yield "evaluate_candidate", f"held-out questions of {config.promotion.dataset or 'its data set'}, of both"
    yield "judge_candidate", f"{config.promotion.metric} better, no slice worse, nothing forgotten, the card complete"
    yield "promote", "model and index together, if it passed"


def _into_answers(config: BatchInferenceConfig) -> Iterator[tuple[str, str]]:
    plan = stages.plan_questions(config)
    yield "plan_questions", f"{plan.rows} rows in {plan.input}, {plan.answered_before} of them answered before"
    model = config.batch.llm or next((spec.name for spec in config.llms), "extractive")
    yield "answer_questions", f"collection {config.load.collection}, {model}, {config.batch.concurrency} at once"
    yield "write_answers", str(plan.output)


def _into_model(config: TrainingConfig) -> Iterator[tuple[str, str]]:
    plan = stages.plan_training(config)
    trainer = config.training.trainer
    yield "plan_training", f"data set {plan.dataset}: {plan.train} rows to learn from, {plan.validation} to choose by"
    yield "train_model", f"{trainer.kind} from {getattr(trainer, 'base', 'its settings')}, seed {trainer.seed}"
    if isinstance(trainer, LanguageTraining):
        yield "estimate", str(stages.estimate_training(config))
    yield "register_model", f"a new version of {plan.model} in the registry, in no stage"


def _into_language_model(config: PretrainingConfig) -> Iterator[tuple[str, str]]:
    plan, trainer = stages.plan_pretraining(config), config.pretraining.trainer
    tokens = trainer.steps * trainer.accumulation * trainer.batch * trainer.width
    yield "plan_pretraining", f"{plan.dataset}: {plan.train} documents to learn from, {plan.validation} to be tested on"
    yield "pretrain_model", f"{trainer}; {tokens:,} tokens in {trainer.steps:,} steps, seed {trainer.seed}"
    yield "register_pretrained", f"a new version of {plan.model} in the registry, in no stage"


def _into_figures(config: EvaluationConfig) -> Iterator[tuple[str, str]]:
    settings, collection = config.evaluation, config.load.collection
    questions = stages.read_questions(config)
    yield "read_questions", f"{len(questions)} questions from {settings.questions or settings.dataset}"
    if settings.before:
        yield "ask_index", f"collection {collection}, version {settings.before}"
    yield "ask_index", f"collection {collection}, {settings.index_version or 'the active version'}"
    other = settings.against or settings.before or "nothing"
    yield "compare_evaluations", f"with {other}, on {', '.join(settings.compared)}"


def _into_judgements(config: LlmEvaluationConfig) -> Iterator[tuple[str, str]]:
    settings, plan = config.llm_evaluation, stages.plan_llm_evaluation(config)
    yield "plan_llm_evaluation", f"{plan.rows} of {plan.of} held-out rows of {plan.dataset}"
    names = ", ".join(one.reference for one in plan.models)
    yield "answer_held_out", f"{names}; greedily, at most {settings.max_tokens} tokens, each with its own template"
    yield "measure_held_out", "likelihood, ROUGE-L, chrF, likeness by the embedder, groundedness, quotes"
    yield "judge_held_out", stages.estimate_judging(config, plan)
    yield "compare_answers", f"each with those before it, on {', '.join(settings.compared)}"


def _into_dataset(config: DatasetConfig) -> Iterator[tuple[str, str]]:
    settings = config.dataset
    kinds = ", ".join(pairs.kind for pairs in settings.pairs)
    estimates = "".join(f"; {estimate}" for estimate in stages.estimate_dataset(config))
    yield "collect_questions", f"{kinds}; passages of collection {config.load.collection}{estimates}"
    ranks = f"{settings.negatives.count} negatives each of ranks {settings.negatives.first}-{settings.negatives.last}"
    yield "mine_pairs", f"{ranks}; splits by {settings.splits}, {settings.shares.test:.0%} held out"
    yield "keep_dataset", f"data set {settings.name} in {open_datasets(Workspace()).folder / settings.name}"


def _into_language_dataset(
    config: InstructDatasetConfig | PreferenceDatasetConfig, what: str
) -> Iterator[tuple[str, str]]:
    settings = section_of(config)
    kinds = ", ".join(pairs.kind for pairs in settings.pairs)
    estimates = "".join(f"; {estimate}" for estimate in stages.estimate_drafts(config))
    yield f"collect_{what}", f"{kinds}; passages of collection {config.load.collection}{estimates}"
    held = f"{settings.shares.validation:.0%} to choose by, {settings.shares.test:.0%} held out"
    general = f"; {settings.general.share:.0%} of {settings.general.file} mixed in" if settings.general else ""
    yield f"sift_{what}", f"grounded, verbatim, distinct, apart; splits by document, {held}{general}"
    yield f"keep_{what}", f"data set {settings.name} in {open_datasets(Workspace()).folder / settings.name}"

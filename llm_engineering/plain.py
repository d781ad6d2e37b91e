"""The pipelines as plain Python: the same stages in the same order, without ZenML.

For notebooks, for debugging, and for those who orchestrate with something else. The index is the same.
"""

from contextlib import AbstractContextManager

from llm_engineering import stages
from llm_engineering.bootstrap import Workspace, pinned
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
)
from llm_engineering.domain.documents import Document
from llm_engineering.domain.indexes import Plan
from llm_engineering.domain.ports import Dataset
from llm_engineering.domain.reports import IngestReport, LoadReport, Report
from llm_engineering.forgetfulness import without_forgotten


def digital_data_etl(config: DigitalDataEtlConfig) -> Report:
    """Run pipeline `digital_data_etl`; see `pipelines.digital_data_etl`."""
    config = without_forgotten(config)
    with _run("digital_data_etl", config) as run:
        return stages.report("digital_data_etl", run, _fill_warehouse(config, run))


def feature_engineering(config: FeatureEngineeringConfig) -> Report:
    """Run pipeline `feature_engineering`; see `pipelines.feature_engineering`."""
    config = pinned(without_forgotten(config), Workspace().home)
    with _run("feature_engineering", config) as run:
        return _fill_feature_store("feature_engineering", config, config.select.sources, run, [])


def feature(config: FeatureConfig) -> Report:
    """Run pipeline `feature`; see `pipelines.feature`."""
    config = pinned(without_forgotten(config), Workspace().home)
    with _run("feature", config) as run:
        books = _fill_warehouse(config, run)
        return _fill_feature_store("feature", config, config.source_names, run, books)


def batch_inference(config: BatchInferenceConfig) -> Report:
    """Run pipeline `batch_inference`; see `pipelines.batch_inference`."""
    config = config.resolved()
    with _run("batch_inference", config) as run:
        plan = stages.plan_questions(config, run)
        batch, answers = stages.answer_questions(config, plan, run)
        stages.write_answers(config, plan, answers)
        return stages.report("batch_inference", run, batch=batch)


def training(config: TrainingConfig) -> Report:
    """Run pipeline `training`; see `pipelines.training`."""
    config = config.resolved()
    with _run("training", config) as run:
        plan = stages.plan_training(config, run)
        trained, weights = stages.train_model(config, plan, run)
        done = stages.register_model(config, plan, trained, weights, run)
        return stages.report("training", run, training=done)


def pretraining(config: PretrainingConfig) -> Report:
    """Run pipeline `pretraining`; see `pipelines.pretraining`."""
    config = config.resolved()
    with _run("pretraining", config) as run:
        plan = stages.plan_pretraining(config, run)
        trained, weights = stages.pretrain_model(config, plan, run)
        done = stages.register_pretrained(config, plan, trained, weights, run)
        return stages.report("pretraining", run, training=done)


def promotion(config: PromotionConfig) -> Report:
    """Run pipeline `promotion`; see `pipelines.promotion`."""
    config, built = stages.name_candidate(without_forgotten(config).resolved())
    with _run("promotion", config) as run:
        candidate = stages.find_candidate(config, run)
        plan, loaded, verified = None, None, None
        if candidate.kind == "embedder":
            plan, documents = stages.plan_index(built, run)
            loaded = make_features(built, plan, documents)
            verified = stages.verify(plan, config.load)
        evidence = stages.evaluate_candidate(config, candidate, plan, run)
        verdict = stages.judge_candidate(config, candidate, evidence, plan, run)
        done = stages.promote(config, candidate, verdict, plan, run)
        return stages.report("promotion", run, plan=plan, loaded=loaded, verified=verified, promotion=done)


def evaluation(config: EvaluationConfig) -> Report:
    """Run pipeline `evaluation`; see `pipelines.evaluation`."""
    config = config.resolved()
    with _run("evaluation", config) as run:
        questions = stages.read_questions(config, run)
        before = None
        if config.evaluation.before:
            before, _ = stages.ask_index(config, questions, run, config.evaluation.before)
        measured, _ = stages.ask_index(config, questions, run)
        result = stages.compare_evaluations(config, measured, questions, run, before)
        return stages.report("evaluation", run, measured=result)


def llm_evaluation(config: LlmEvaluationConfig) -> Report:
    """Run pipeline `llm_evaluation`; see `pipelines.llm_evaluation`."""
    config = config.resolved()
    with _run("llm_evaluation", config) as run:
        plan = stages.plan_llm_evaluation(config, run)
        account, answers = stages.answer_held_out(config, plan)
        scores = stages.measure_held_out(config, plan, answers)
        judge, judged = stages.judge_held_out(config, plan, answers)
        result = stages.compare_answers(config, plan, account, answers, scores, judge, judged)
        return stages.report("llm_evaluation", run, llms=result)


def dataset(config: DatasetConfig) -> Report:
    """Run pipeline `dataset`; see `pipelines.dataset`."""
    config = config.resolved()
    with _run("dataset", config) as run:
        plan, asked = stages.collect_questions(config, run)
        mined, pairs = stages.mine_pairs(config, plan, asked)
        _, account = stages.keep_dataset(config, plan, mined, pairs)
        return stages.report("dataset", run, dataset=account)


def instruct_dataset(config: InstructDatasetConfig) -> Report:
    """Run pipeline `instruct_dataset`; see `pipelines.instruct_dataset`."""
    return _language_dataset("instruct_dataset", config.resolved())


def preference_dataset(config: PreferenceDatasetConfig) -> Report:
    """Run pipeline `preference_dataset`; see `pipelines.preference_dataset`."""
    return _language_dataset("preference_dataset", config.resolved())


def _language_dataset(pipeline: str, config: InstructDatasetConfig | PreferenceDatasetConfig) -> Report:
    with _run(pipeline, config) as run:
        plan, drafts = stages.collect_drafts(config, run)
        sifting, rows = stages.sift_drafts(config, plan, drafts)
        _, account = stages.keep_rows(config, plan, sifting, rows)
        return stages.report(pipeline, run, dataset=account)


def _run(pipeline: str, config: Config) -> AbstractContextManager[int]:
    resolved = config.resolved()
    stages.refuse_if_away(resolved)
    return stages.run_of(pipeline, resolved.model_dump(mode="json"), config.holds)


def _fill_warehouse(config: DigitalDataEtlConfig, run: int) -> list[IngestReport]:
    books = []
    if config.author:
        user = stages.get_or_create_user(config.author.user_full_name)
        books.append(stages.crawl_links(user, config.author.links, config.ingest, run))
    if config.ingest.sources:
        books.append(stages.ingest(config.ingest, run))
    return books


def _fill_feature_store(
    pipeline: str,
    config: FeatureEngineeringConfig,
    sources: tuple[str, ...] | None,
    run: int,
    books: list[IngestReport],
) -> Report:
    plan, documents = stages.plan(config, sources, run)
    loaded = make_features(config, plan, documents)
    verified = stages.verify(plan, config.load)
    evaluated = stages.evaluate(plan, config) if config.gate.questions else None
    if config.graph:
        stages.build_graph(plan, config)
    stages.activate(plan, verified, config.load)
    return stages.report(pipeline, run, books, plan, loaded, verified, evaluated, config)


def make_features(config: FeatureEngineeringConfig, plan: Plan, documents: Dataset[Document]) -> LoadReport:
    """Make the features of the planned documents, and load them into the planned index version."""
    here = config.executor
    cleaned = stages.clean(documents, config.cleaning, here)
    chunks = stages.chunk(cleaned, config.chunking, config.embedding, here)
    tokens = stages.tokenize(chunks, config.tokenizing, config.embedding, here)
    vectors = stages.embed(chunks, config.embedding, plan.run, here)
    return stages.load(plan, cleaned, chunks, tokens, vectors, config.load)

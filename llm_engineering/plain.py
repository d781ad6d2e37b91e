"""The pipelines as plain Python: the same stages in the same order, without ZenML.

For notebooks, for debugging, and for those who orchestrate with something else. The index is the same.
"""

from llm_engineering import stages
from llm_engineering.config import DigitalDataEtlConfig, FeatureConfig, FeatureEngineeringConfig
from llm_engineering.domain.reports import IngestReport, Report


def digital_data_etl(config: DigitalDataEtlConfig) -> Report:
    """Run pipeline `digital_data_etl`; see `pipelines.digital_data_etl`."""
    run = stages.open_run("digital_data_etl", config.model_dump(mode="json"))
    return stages.report("digital_data_etl", run, _fill_warehouse(config, run))


def feature_engineering(config: FeatureEngineeringConfig) -> Report:
    """Run pipeline `feature_engineering`; see `pipelines.feature_engineering`."""
    run = stages.open_run("feature_engineering", config.model_dump(mode="json"))
    return _fill_feature_store("feature_engineering", config, config.select.sources, run, [])


def feature(config: FeatureConfig) -> Report:
    """Run pipeline `feature`; see `pipelines.feature`."""
    run = stages.open_run("feature", config.model_dump(mode="json"))
    books = _fill_warehouse(config, run)
    return _fill_feature_store("feature", config, config.source_names, run, books)


def _fill_warehouse(config: DigitalDataEtlConfig, run: int) -> list[IngestReport]:
    books = []
    if config.author:
        user = stages.get_or_create_user(config.author.user_full_name)
        books.append(stages.crawl_links(user, config.author.links, config.ingest.fetching, run))
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
    cleaned = stages.clean(documents, config.cleaning)
    chunks = stages.chunk(cleaned, config.chunking, config.embedding)
    tokens = stages.tokenize(chunks, config.tokenizing, config.embedding)
    vectors = stages.embed(chunks, config.embedding)
    loaded = stages.load(plan, cleaned, chunks, tokens, vectors, config.load)
    verified = stages.verify(plan, config.load)
    stages.activate(plan, verified, config.load)
    return stages.report(pipeline, run, books, plan, loaded, verified)

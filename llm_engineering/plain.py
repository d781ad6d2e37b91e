"""The pipelines as plain Python: the same stages in the same order, without ZenML.

For notebooks, for debugging, and for those who orchestrate with something else. The index is the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from llm_engineering import stages
from llm_engineering.config import Config, DigitalDataEtlConfig, FeatureConfig, FeatureEngineeringConfig
from llm_engineering.domain.errors import LLMEngineeringError
from llm_engineering.domain.reports import IngestReport, Report


def digital_data_etl(config: DigitalDataEtlConfig) -> Report:
    """Run pipeline `digital_data_etl`; see `pipelines.digital_data_etl`."""
    with _run("digital_data_etl", config.resolved()) as run:
        return stages.report("digital_data_etl", run, _fill_warehouse(config, run))


def feature_engineering(config: FeatureEngineeringConfig) -> Report:
    """Run pipeline `feature_engineering`; see `pipelines.feature_engineering`."""
    with _run("feature_engineering", config.resolved()) as run:
        return _fill_feature_store("feature_engineering", config, config.select.sources, run, [])


def feature(config: FeatureConfig) -> Report:
    """Run pipeline `feature`; see `pipelines.feature`."""
    with _run("feature", config.resolved()) as run:
        books = _fill_warehouse(config, run)
        return _fill_feature_store("feature", config, config.source_names, run, books)


@contextmanager
def _run(pipeline: str, config: Config) -> Iterator[int]:
    """Open a run; close it as failed if it dies of an error."""
    run = stages.open_run(pipeline, config.model_dump(mode="json"))
    try:
        yield run
    except LLMEngineeringError as error:
        stages.fail_run(pipeline, run, pipeline, type(error).__name__, str(error))
        raise


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

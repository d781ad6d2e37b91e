"""The stages of the pipelines as plain functions: open the adapters, call one use-case, close them.

ZenML steps wrap these one by one, and `llm_engineering.plain` chains them without ZenML: same functions, same index.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from llm_engineering import bootstrap
from llm_engineering.application import features, ingestion, loading, planning, reporting
from llm_engineering.application.chunking import Chunker
from llm_engineering.application.cleaning import Cleaning
from llm_engineering.application.retrieval import retrieve_all
from llm_engineering.application.text import Tokenizing
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import FeatureEngineeringConfig, Ingest, Limits, Load
from llm_engineering.domain.chunks import Chunk, ChunkTokens, ChunkVector
from llm_engineering.domain.documents import CleanedDocument, Document
from llm_engineering.domain.errors import GateFailed
from llm_engineering.domain.indexes import Plan
from llm_engineering.domain.ports import Dataset
from llm_engineering.domain.queries import Filter, Hit
from llm_engineering.domain.reports import IngestReport, LoadReport, Report, VerifyReport
from llm_engineering.domain.secrets import redacted
from llm_engineering.domain.users import User, user_named
from llm_engineering.infrastructure.embedders import EmbedderSpec
from llm_engineering.infrastructure.fetching import Fetching

if TYPE_CHECKING:
    from llm_engineering.infrastructure.parquet import ParquetDataset


def open_run(pipeline: str, config: Mapping[str, object]) -> int:
    """Open a run in the warehouse, with the resolved configuration less its secrets, and return its number."""
    workspace = Workspace()
    workspace.sweep()
    with workspace.warehouse() as warehouse:
        return warehouse.start_run(pipeline, redacted(config))


def get_or_create_user(user_full_name: str) -> User:
    """Return the user of this name, created on first sight."""
    user = user_named(user_full_name)
    with Workspace().warehouse() as warehouse:
        warehouse.get_or_create_user(user)
    return user


def crawl_links(user: User, links: Sequence[str], fetching: Fetching, run: int) -> IngestReport:
    """Crawl the author's links into the warehouse; each link has its own account in the report."""
    workspace = Workspace()
    with workspace.warehouse() as warehouse, workspace.reading(fetching, warehouse, user) as context:
        sources = bootstrap.sources_of_links(links, context)
        return ingestion.ingest(sources, warehouse, run, workspace.progress)


def ingest(section: Ingest, run: int) -> IngestReport:
    """Bring the warehouse into agreement with the sources."""
    workspace = Workspace()
    with workspace.warehouse() as warehouse, workspace.reading(section.fetching, warehouse) as context:
        sources = bootstrap.sources_of(section, context)
        return ingestion.ingest(sources, warehouse, run, workspace.progress)


def plan(
    config: FeatureEngineeringConfig, sources: Sequence[str] | None, run: int
) -> "tuple[Plan, ParquetDataset[Document]]":
    """Compare warehouse and index; return the plan and the documents that are new or changed."""
    workspace = Workspace()
    manifest = bootstrap.manifest_of(config, workspace.home)
    with workspace.warehouse() as warehouse, workspace.store(config.load) as store:
        result, wanted = planning.plan(warehouse, store, config.load.collection, manifest, sources, run)
        return result, workspace.spool(warehouse.documents(wanted), Document)


def clean(documents: Dataset[Document], cleaning: Cleaning) -> "ParquetDataset[CleanedDocument]":
    """Clean documents."""
    workspace = Workspace()
    return workspace.spool(features.clean_documents(documents, cleaning, workspace.progress), CleanedDocument)


def chunk(documents: Dataset[CleanedDocument], chunking: Chunker, embedding: EmbedderSpec) -> "ParquetDataset[Chunk]":
    """Cut cleaned documents into chunks that fit the embedder's window."""
    workspace = Workspace()
    tokenizer = embedding.open_tokenizer(workspace.home)
    return workspace.spool(features.chunk_documents(documents, chunking, tokenizer, workspace.progress), Chunk)


def tokenize(chunks: Dataset[Chunk], tokenizing: Tokenizing, embedding: EmbedderSpec) -> "ParquetDataset[ChunkTokens]":
    """Split chunks into words, stems and the embedder's sub-words, weighed for lexical search."""
    workspace = Workspace()
    tokenizer = embedding.open_tokenizer(workspace.home)
    return workspace.spool(features.tokenize_chunks(chunks, tokenizing, tokenizer, workspace.progress), ChunkTokens)


def embed(chunks: Dataset[Chunk], embedding: EmbedderSpec) -> "ParquetDataset[ChunkVector]":
    """Give each chunk its vector, computed only if this model never saw its text before."""
    workspace = Workspace()
    with workspace.warehouse() as warehouse:
        vectors = features.embed_chunks(
            chunks,
            embedding.card(workspace.home).digest,
            lambda: embedding.open(workspace.home),
            warehouse,
            workspace.progress,
        )
        return workspace.spool(vectors, ChunkVector)


def load(
    plan: Plan,
    documents: Dataset[CleanedDocument],
    chunks: Dataset[Chunk],
    tokens: Dataset[ChunkTokens],
    vectors: Dataset[ChunkVector],
    section: Load,
) -> LoadReport:
    """Write the features into the planned index version, and remove what is gone."""
    features = loading.Features(documents, chunks, tokens, vectors)
    workspace = Workspace()
    with (
        workspace.warehouse() as warehouse,
        workspace.store(section) as store,
        store.write(plan.manifest) as index,
    ):
        return loading.load(plan, features, index, warehouse, workspace.progress)


def verify(plan: Plan, section: Load) -> VerifyReport:
    """Prove that the index version holds exactly what the ledger says, and can be searched.

    Raises:
        GateFailed: it does not; the version is not activated.
    """
    workspace = Workspace()
    with (
        workspace.warehouse() as warehouse,
        workspace.store(section) as store,
        store.write(plan.manifest) as index,
    ):
        report = loading.verify(plan, index, warehouse)
    if not report.ready:
        raise GateFailed(
            f"index {plan.collection} {plan.manifest.version} is not ready: {'; '.join(report.problems)}. "
            "What was active stays active; run the pipeline again to repair it.",
            report,
        )
    return report


def activate(plan: Plan, verified: VerifyReport, section: Load) -> str:
    """Let readers see the verified index version from now on; return its id."""
    if verified.ready and not plan.is_empty:
        with Workspace().store(section) as store:
            store.publish(plan.manifest.version)
    return plan.manifest.version


def report(
    pipeline: str,
    run: int,
    ingested: Sequence[IngestReport] = (),
    plan: Plan | None = None,
    loaded: LoadReport | None = None,
    verified: VerifyReport | None = None,
) -> Report:
    """Add up what the stages reported, and close the run with it."""
    with Workspace().warehouse() as warehouse:
        started = datetime.fromisoformat(str(warehouse.run_record(run)["started_at"]))
        seconds = (datetime.now(UTC) - started).total_seconds()
        result = reporting.add_up(pipeline, run, seconds, ingested, plan, loaded, verified)
        warehouse.finish_run(run, "completed", result.model_dump(mode="json"))
    return result


def check(report: Report, limits: Limits) -> None:
    """Fail the run if it has more failures or rejections than the configuration allows.

    Raises:
        GateFailed: it has; everything that could be indexed is indexed all the same.
    """
    try:
        reporting.check(report, limits.failures, limits.rejections)
    except GateFailed:
        _close_failed(report)
        raise


def fail_run(pipeline: str, run: int, step: str, reason: str, error: str) -> Report:
    """Close a run that died in a step, and return the report of that."""
    report = reporting.died(pipeline, run, step, reason, error)
    if run:
        _close_failed(report)
    return report


def _close_failed(report: Report) -> None:
    with Workspace().warehouse() as warehouse:
        warehouse.finish_run(report.run, "failed", report.model_dump(mode="json"))


def search(config: FeatureEngineeringConfig, queries: Sequence[str], filter: Filter, k: int | None) -> list[list[Hit]]:
    """Return the best passages for each query, from the active version of the configured collection.

    Raises:
        UsageError: there is no index yet, or it was made by another model than the configured one.
    """
    workspace = Workspace()
    with workspace.store(config.load) as store, store.read() as index:
        # Queries are split the way the index was, whatever the file says by now.
        tokenizing = Tokenizing.model_validate(index.manifest.settings["tokenizing"])
        embedder = config.embedding.open(workspace.home) if config.retrieval.mode != "sparse" else None
        asked = ((query, filter) for query in queries)
        found = retrieve_all(asked, index, embedder, tokenizing.query, config.retrieval, k)
        return list(workspace.progress(found, "search", total=len(queries), unit="query"))

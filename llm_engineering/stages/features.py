"""From the warehouse into an index version: plan, clean, chunk, tokenize, embed, load."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from loguru import logger

from llm_engineering import bootstrap
from llm_engineering.application import (
    costing,
    features,
    loading,
    planning,
)
from llm_engineering.application.chunking import Chunker
from llm_engineering.application.cleaning import Cleaning
from llm_engineering.application.text import Tokenizing
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import FeatureEngineeringConfig, Load
from llm_engineering.domain.chunks import Chunk, ChunkTokens, ChunkVector
from llm_engineering.domain.costs import Cost
from llm_engineering.domain.documents import CleanedDocument, Document
from llm_engineering.domain.indexes import Plan
from llm_engineering.domain.ports import Dataset
from llm_engineering.domain.reports import LoadReport
from llm_engineering.infrastructure.embedders import EmbedderSpec

if TYPE_CHECKING:
    from llm_engineering.infrastructure.parquet import ParquetDataset


def plan(
    config: FeatureEngineeringConfig, sources: Sequence[str] | None, run: int
) -> "tuple[Plan, ParquetDataset[Document]]":
    """Compare warehouse and index; return the plan and the documents that are new or changed."""
    workspace = Workspace()
    workspace.keep_alive(run)
    bootstrap.refuse_if_left(config, workspace.home)
    manifest = bootstrap.manifest_of(config, workspace.home)
    bootstrap.questions_of(config.gate)  # a mistake in them is better known now than when everything is embedded
    with workspace.warehouse() as warehouse, workspace.store(config.load, run) as store:
        result, wanted = planning.plan(warehouse, store, config.load.collection, manifest, sources, run)
        return result, workspace.spool(warehouse.documents(wanted), Document)


def clean(documents: Dataset[Document], cleaning: Cleaning) -> "ParquetDataset[CleanedDocument]":
    """Clean documents."""
    workspace = Workspace()
    return workspace.spool(features.clean_documents(documents, cleaning, workspace.progress), CleanedDocument)


def chunk(documents: Dataset[CleanedDocument], chunking: Chunker, embedding: EmbedderSpec) -> "ParquetDataset[Chunk]":
    """Cut cleaned documents into chunks that fit the embedder's window."""
    workspace = Workspace()
    if not len(documents):  # whoever has nothing to do loads no tokenizer
        return workspace.spool((), Chunk)
    tokenizer = embedding.open_tokenizer(workspace.home)
    return workspace.spool(features.chunk_documents(documents, chunking, tokenizer, workspace.progress), Chunk)


def tokenize(chunks: Dataset[Chunk], tokenizing: Tokenizing, embedding: EmbedderSpec) -> "ParquetDataset[ChunkTokens]":
    """Split chunks into words, stems and the embedder's sub-words, weighed for lexical search."""
    workspace = Workspace()
    if not len(chunks):
        return workspace.spool((), ChunkTokens)
    tokenizer = embedding.open_tokenizer(workspace.home)
    return workspace.spool(features.tokenize_chunks(chunks, tokenizing, tokenizer, workspace.progress), ChunkTokens)


def embed(chunks: Dataset[Chunk], embedding: EmbedderSpec, run: int) -> "ParquetDataset[ChunkVector]":
    """Give each chunk its vector, computed only if this model never saw its text before."""
    workspace = Workspace()
    workspace.keep_alive(run)
    if not len(chunks):
        return workspace.spool((), ChunkVector)
    with workspace.warehouse() as warehouse:
        model = embedding.card(workspace.home).digest
        cost = costing.cost_of_chunks(chunks, model, warehouse)
        logger.info("plan: {}", cost)
        stopwatch = costing.Stopwatch(lambda: embedding.open(workspace.home))
        vectors = features.embed_chunks(chunks, model, stopwatch.open, warehouse, workspace.progress)
        made = workspace.spool(vectors, ChunkVector)
        if cost.tokens_to_embed:
            warehouse.record_embedding(model, stopwatch.rate(cost.tokens_to_embed), run)
        return made


def estimate(config: FeatureEngineeringConfig, sources: Sequence[str] | None) -> Cost:
    """Say what a run would cost for what is in the warehouse now. Nothing is fetched, nothing is written."""
    workspace = Workspace()
    with workspace.existing_warehouse() as warehouse:
        if warehouse is None:
            return Cost(note="There is no warehouse yet, or one of an older version: the first run shows its cost")
        manifest = bootstrap.manifest_of(config, workspace.home)
        known = [record.manifest for _, record in warehouse.index_records(config.load.collection)]
        version = next((one.version for one in known if one.fingerprint == manifest.fingerprint), "")
        wanted = planning.changes(warehouse, config.load.collection, version, sources).wanted
        if not wanted:
            return Cost(note="Nothing in the warehouse is new or changed for this index")
        tokenizer = config.embedding.open_tokenizer(workspace.home)
        documents = workspace.progress(warehouse.documents(wanted), "estimate", total=len(wanted), unit="doc")
        chunks = costing.chunks_of(documents, config.cleaning, config.chunking, tokenizer)
        cost = costing.cost_of_chunks(chunks, manifest.model.digest, warehouse)
        return cost.model_copy(update={"documents": len(wanted)})


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
    workspace.keep_alive(plan.run)
    with (
        workspace.warehouse() as warehouse,
        workspace.store(section, plan.run) as store,
        store.write(plan.manifest) as index,
    ):
        return loading.load(plan, features, index, warehouse, workspace.progress)

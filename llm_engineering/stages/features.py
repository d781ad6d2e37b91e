"""From the warehouse into an index version: plan, clean, chunk, tokenize, embed, load."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

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
from llm_engineering.application.damage import read_again
from llm_engineering.application.text import Tokenizing
from llm_engineering.bootstrap import Workspace
from llm_engineering.bootstrap.duplicates import duplicates_finder
from llm_engineering.config import FeatureEngineeringConfig, Load
from llm_engineering.domain.chunks import Chunk, ChunkTokens, ChunkVector
from llm_engineering.domain.corpus import StepRate
from llm_engineering.domain.costs import Cost
from llm_engineering.domain.documents import CleanedDocument, Document
from llm_engineering.domain.indexes import Plan
from llm_engineering.domain.ports import Dataset
from llm_engineering.domain.reports import LoadReport
from llm_engineering.infrastructure.embedders import EmbedderSpec
from llm_engineering.infrastructure.executors import ExecutorSpec, Local

if TYPE_CHECKING:
    from llm_engineering.infrastructure.parquet import ParquetDataset

# The executor of those who name none.
HERE = Local()


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
        finder = duplicates_finder(config.duplicates, workspace.home, config.load.collection, sources, warehouse)
        with read_again(warehouse, run):
            result, wanted = planning.plan(warehouse, store, config.load.collection, manifest, sources, run, finder)
            return result, workspace.spool(warehouse.documents(wanted), Document)


def clean(
    documents: Dataset[Document], cleaning: Cleaning, executor: ExecutorSpec = HERE
) -> "ParquetDataset[CleanedDocument]":
    """Clean documents."""
    workspace = Workspace()
    with executor.open(len(documents)) as workers:
        rows = features.clean_documents(documents, cleaning, workspace.progress, workers)
        return workspace.spool(rows, CleanedDocument, timed=True)


def chunk(
    documents: Dataset[CleanedDocument], chunking: Chunker, embedding: EmbedderSpec, executor: ExecutorSpec = HERE
) -> "ParquetDataset[Chunk]":
    """Cut cleaned documents into chunks that fit the embedder's window."""
    workspace = Workspace()
    if not len(documents):  # whoever has nothing to do loads no tokenizer
        return workspace.spool((), Chunk)
    tokenizer = partial(embedding.resolved(workspace.home).open_tokenizer, workspace.home)
    with bootstrap.bound_chunker(chunking, embedding, workspace) as chunker:
        # One that compares vectors works here, where they are kept.
        where = executor if chunker == chunking else HERE
        with where.open(len(documents)) as workers:
            broken: dict[str, str] = {}
            rows = features.chunk_documents(documents, chunker, tokenizer, workspace.progress, workers, broken)
            return workspace.spool(rows, Chunk, timed=True, notes=broken)


def tokenize(
    chunks: Dataset[Chunk], tokenizing: Tokenizing, embedding: EmbedderSpec, executor: ExecutorSpec = HERE
) -> "ParquetDataset[ChunkTokens]":
    """Split chunks into words, stems and the embedder's sub-words, weighed for lexical search."""
    workspace = Workspace()
    if not len(chunks):
        return workspace.spool((), ChunkTokens)
    tokenizer = partial(embedding.resolved(workspace.home).open_tokenizer, workspace.home)
    with executor.open(len(chunks)) as workers:
        rows = features.tokenize_chunks(chunks, tokenizing, tokenizer, workspace.progress, workers)
        return workspace.spool(rows, ChunkTokens, timed=True)


def embed(
    chunks: Dataset[Chunk], embedding: EmbedderSpec, run: int, executor: ExecutorSpec = HERE
) -> "ParquetDataset[ChunkVector]":
    """Give each chunk its vector, computed only if this model never saw its text before."""
    workspace = Workspace()
    workspace.keep_alive(run)
    if not len(chunks):
        return workspace.spool((), ChunkVector)
    with workspace.warehouse() as warehouse:
        model = embedding.card(workspace.home).digest
        cost = costing.cost_of_chunks(chunks, model, warehouse)
        logger.info("plan: {}", cost)
        with bootstrap.embedding_by(executor, embedding, workspace.home, len(chunks)) as open_embedder:
            stopwatch = costing.Stopwatch(open_embedder)
            vectors = features.embed_chunks(chunks, model, stopwatch.open, warehouse, workspace.progress)
            made = workspace.spool(vectors, ChunkVector, timed=True)
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
        finder = None
        if config.duplicates.leaves_out:
            finder = duplicates_finder(config.duplicates, workspace.home, config.load.collection, sources, warehouse)
        wanted = planning.changes(warehouse, config.load.collection, version, sources, finder).wanted
        if not wanted:
            return Cost(note="Nothing in the warehouse is new or changed for this index")
        tokenizer = config.embedding.open_tokenizer(workspace.home)
        documents = workspace.progress(warehouse.documents(wanted), "estimate", total=len(wanted), unit="doc")
        with bootstrap.bound_chunker(config.chunking, config.embedding, workspace, keep=False) as chunker:
            chunks = costing.chunks_of(documents, config.cleaning, chunker, tokenizer)
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
    counted = _Counted(chunks)
    features = loading.Features(documents, counted, tokens, vectors, getattr(chunks, "notes", {}))
    workspace, started = Workspace(), perf_counter()
    workspace.keep_alive(plan.run)
    with (
        workspace.warehouse() as warehouse,
        workspace.store(section, plan.run) as store,
        store.write(plan.manifest) as index,
    ):
        report = loading.load(plan, features, index, warehouse, workspace.progress)
        since = datetime.fromisoformat(str(warehouse.run_record(plan.run)["started_at"])).timestamp()
    if not len(documents):
        return report
    made = {"clean": documents, "chunk": chunks, "tokenize": tokens, "embed": vectors}
    counts = {"documents": len(documents), "chunks": len(chunks), "tokens": counted.tokens}
    steps = [_rate(step, data, counts, since) for step, data in made.items()]
    done = StepRate(step="load", seconds=round(perf_counter() - started, 3), **counts)
    return report.model_copy(update={"steps": (*steps, done)})


def _rate(step: str, data: Dataset[Any], counts: Mapping[str, int], since: float) -> StepRate:
    """Return how fast a data set was made; one from before the run came from a cache."""
    seconds, ended = getattr(data, "timing", None) or (0.0, since)
    known = {name: count for name, count in counts.items() if step != "clean" or name == "documents"}
    return StepRate(step=step, seconds=round(seconds, 3), reused=ended < since, **known)


class _Counted:
    """A data set of chunks that adds up their tokens while it is read."""

    def __init__(self, chunks: Dataset[Chunk]) -> None:
        self._chunks = chunks
        self.tokens = 0

    def __len__(self) -> int:
        return len(self._chunks)

    def __iter__(self) -> Iterator[Chunk]:
        self.tokens = 0
        for chunk in self._chunks:
            self.tokens += chunk.tokens
            yield chunk

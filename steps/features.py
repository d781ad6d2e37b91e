"""Steps from the warehouse into the feature store.

What only computes (clean, chunk, tokenize) may come from ZenML's cache; what reads or writes a store never does.
"""

from typing import Annotated, Any

from zenml import step

from llm_engineering import stages
from llm_engineering.application.chunking import Chunker
from llm_engineering.application.cleaning import Cleaning
from llm_engineering.application.text import Tokenizing
from llm_engineering.config import FeatureEngineeringConfig, Load
from llm_engineering.domain.evaluation import EvaluationReport
from llm_engineering.domain.graphs import GraphReport
from llm_engineering.domain.index_reports import VerifyReport
from llm_engineering.domain.indexes import ModelCard, Plan
from llm_engineering.domain.reports import LoadReport
from llm_engineering.infrastructure.embedders import EmbedderSpec
from llm_engineering.infrastructure.executors import ExecutorSpec
from llm_engineering.infrastructure.parquet import ParquetDataset
from steps.caching import SAME_CODE
from steps.materializers import DatasetMaterializer, ValueMaterializer

Rows = ParquetDataset[Any]


@step(
    enable_cache=False,
    output_materializers={"plan": ValueMaterializer, "model": ValueMaterializer, "documents": DatasetMaterializer},
)
def plan(
    config: FeatureEngineeringConfig, sources: list[str] | None, run: int
) -> tuple[Annotated[Plan, "plan"], Annotated[ModelCard, "model"], Annotated[Rows, "documents"]]:
    """Find out what is new, changed and gone since the index last agreed with the warehouse."""
    result, documents = stages.plan(config, sources, run)
    return result, result.manifest.model, documents


@step(cache_policy=SAME_CODE, output_materializers=DatasetMaterializer)
def clean(documents: Rows, cleaning: Cleaning, executor: ExecutorSpec) -> Annotated[Rows, "cleaned_documents"]:
    """Remove what is not content."""
    return stages.clean(documents, cleaning, executor)


@step(cache_policy=SAME_CODE, output_materializers=DatasetMaterializer)
def chunk(
    documents: Rows,
    model: ModelCard,  # noqa: ARG001 - an input, so that other weights under the same name are another cache key
    chunking: Chunker,
    embedding: EmbedderSpec,
    executor: ExecutorSpec,
) -> Annotated[Rows, "chunks"]:
    """Cut documents into coherent passages that fit the embedder's window."""
    return stages.chunk(documents, chunking, embedding, executor)


@step(cache_policy=SAME_CODE, output_materializers=DatasetMaterializer)
def tokenize(
    chunks: Rows,
    model: ModelCard,  # noqa: ARG001 - as in `chunk`
    tokenizing: Tokenizing,
    embedding: EmbedderSpec,
    executor: ExecutorSpec,
) -> Annotated[Rows, "tokens"]:
    """Split chunks into words, stems and sub-words, weighed for lexical search."""
    return stages.tokenize(chunks, tokenizing, embedding, executor)


@step(enable_cache=False, output_materializers=DatasetMaterializer)
def embed(chunks: Rows, embedding: EmbedderSpec, run: int, executor: ExecutorSpec) -> Annotated[Rows, "vectors"]:
    """Give each chunk its vector."""
    return stages.embed(chunks, embedding, run, executor)


@step(enable_cache=False, output_materializers=ValueMaterializer)
def load(
    plan: Plan,
    documents: Rows,
    chunks: Rows,
    tokens: Rows,
    vectors: Rows,
    section: Load,
) -> Annotated[LoadReport, "loaded"]:
    """Write the features into the planned index version."""
    return stages.load(plan, documents, chunks, tokens, vectors, section)


@step(enable_cache=False, output_materializers=ValueMaterializer)
def verify(plan: Plan, loaded: LoadReport, section: Load) -> Annotated[VerifyReport, "verified"]:  # noqa: ARG001
    """Prove that the index version is complete and can be searched."""
    return stages.verify(plan, section)


@step(enable_cache=False, output_materializers=ValueMaterializer)
def evaluate(
    plan: Plan,
    verified: VerifyReport,  # noqa: ARG001 - an input, so that only a verified version is evaluated
    config: FeatureEngineeringConfig,
) -> Annotated[EvaluationReport, "evaluated"]:
    """Ask the version that readers are about to see the questions of the gate, and the active version too."""
    return stages.evaluate(plan, config)


@step(enable_cache=False, output_materializers=ValueMaterializer)
def build_graph(
    plan: Plan,
    verified: VerifyReport,  # noqa: ARG001 - an input, so that the graph is one of what is complete
    config: FeatureEngineeringConfig,
) -> Annotated[GraphReport, "graph"]:
    """Bring the entity graph into agreement with the version that readers are about to see."""
    return stages.build_graph(plan, config)


@step(enable_cache=False)
def activate(
    plan: Plan,
    verified: VerifyReport,
    section: Load,
    evaluated: EvaluationReport | None = None,  # noqa: ARG001 - an input, so that the gate comes first
    graph: GraphReport | None = None,  # noqa: ARG001 - an input, so that searches find the graph of what they see
) -> Annotated[str, "index_version"]:
    """Let readers see the verified version from now on."""
    return stages.activate(plan, verified, section)

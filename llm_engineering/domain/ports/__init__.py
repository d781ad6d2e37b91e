"""The ports: what the use-cases need from outside, in the nouns of the domain. Adapters live in `infrastructure`.

Each port has a contract suite in `tests/contract` that every adapter passes, the in-memory one included.
"""

from llm_engineering.domain.ports.answers import Assistant, AssistantState, Llm, Reranker, Searcher
from llm_engineering.domain.ports.data import Dataset, Progress
from llm_engineering.domain.ports.embedding import Embedder, PassageVectors, SubwordTokenizer
from llm_engineering.domain.ports.execution import Executor, Work
from llm_engineering.domain.ports.features import FeatureVersion, FeatureWriter
from llm_engineering.domain.ports.sources import KnownProvenance, KnownProvenances, Source
from llm_engineering.domain.ports.training import (
    DatasetStore,
    EvaluationStore,
    ModelRegistry,
    ReplyJournal,
    TrackedRun,
    Tracker,
)
from llm_engineering.domain.ports.vector_stores import VectorIndex, VectorStore
from llm_engineering.domain.ports.warehouse import Warehouse

__all__ = [
    "Assistant",
    "AssistantState",
    "Dataset",
    "DatasetStore",
    "Embedder",
    "EvaluationStore",
    "Executor",
    "FeatureVersion",
    "FeatureWriter",
    "KnownProvenance",
    "KnownProvenances",
    "Llm",
    "ModelRegistry",
    "PassageVectors",
    "Progress",
    "ReplyJournal",
    "Reranker",
    "Searcher",
    "Source",
    "SubwordTokenizer",
    "TrackedRun",
    "Tracker",
    "VectorIndex",
    "VectorStore",
    "Warehouse",
    "Work",
]

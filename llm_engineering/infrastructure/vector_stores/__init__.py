"""Vector stores: where index versions live. A new one is a folder here, a line below and one in the contract test."""

from typing import Annotated

from pydantic import Field

from llm_engineering.infrastructure.vector_stores.chroma.spec import Chroma
from llm_engineering.infrastructure.vector_stores.clickhouse.spec import Clickhouse
from llm_engineering.infrastructure.vector_stores.faiss.spec import Faiss
from llm_engineering.infrastructure.vector_stores.lancedb.spec import Lancedb
from llm_engineering.infrastructure.vector_stores.lucene.elasticsearch import Elasticsearch
from llm_engineering.infrastructure.vector_stores.lucene.opensearch import OpenSearch
from llm_engineering.infrastructure.vector_stores.memory.store import Memory
from llm_engineering.infrastructure.vector_stores.pgvector.spec import Pgvector
from llm_engineering.infrastructure.vector_stores.pinecone.spec import Pinecone
from llm_engineering.infrastructure.vector_stores.qdrant.spec import Qdrant
from llm_engineering.infrastructure.vector_stores.qdrant_edge.spec import QdrantEdge
from llm_engineering.infrastructure.vector_stores.redis.spec import RedisSearch
from llm_engineering.infrastructure.vector_stores.versioned.spec import EngineSpec

VectorStoreSpec = Annotated[
    QdrantEdge
    | Qdrant
    | Memory
    | Pgvector
    | Faiss
    | Lancedb
    | Chroma
    | Clickhouse
    | Elasticsearch
    | OpenSearch
    | RedisSearch
    | Pinecone,
    Field(discriminator="kind"),
]
# Those that `versioned` keeps the versions of.
ENGINES: tuple[type[EngineSpec], ...] = (
    Pgvector, Faiss, Lancedb, Chroma, Clickhouse, Elasticsearch, OpenSearch, RedisSearch, Pinecone,
)  # fmt: skip

__all__ = [
    "ENGINES",
    "Chroma",
    "Clickhouse",
    "Elasticsearch",
    "EngineSpec",
    "Faiss",
    "Lancedb",
    "Memory",
    "OpenSearch",
    "Pgvector",
    "Pinecone",
    "Qdrant",
    "QdrantEdge",
    "RedisSearch",
    "VectorStoreSpec",
]

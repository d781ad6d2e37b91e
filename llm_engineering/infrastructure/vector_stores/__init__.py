"""Vector stores: where index versions live. A new one is a file here, a line below and one in the contract test."""

from typing import Annotated

from pydantic import Field

from llm_engineering.infrastructure.vector_stores.memory import Memory
from llm_engineering.infrastructure.vector_stores.qdrant import Qdrant
from llm_engineering.infrastructure.vector_stores.qdrant_edge import QdrantEdge

VectorStoreSpec = Annotated[QdrantEdge | Qdrant | Memory, Field(discriminator="kind")]

__all__ = ["Memory", "Qdrant", "QdrantEdge", "VectorStoreSpec"]

"""Embedders: text to vector. A new one is a file here, a line in the union below and one in the contract test."""

from typing import Annotated

from pydantic import Field

from llm_engineering.infrastructure.embedders.hashing import Hashing
from llm_engineering.infrastructure.embedders.sentence_transformers import SentenceTransformers

EmbedderSpec = Annotated[SentenceTransformers | Hashing, Field(discriminator="kind")]

__all__ = ["EmbedderSpec", "Hashing", "SentenceTransformers"]

"""Embedders: text to vector. A new one is a file here, a line in the union below and one in the contract test."""

from typing import Annotated

from pydantic import Field

from llm_engineering.infrastructure.embedders.hashing import Hashing
from llm_engineering.infrastructure.embedders.openai import OpenAIEmbeddings
from llm_engineering.infrastructure.embedders.sentence_transformers import SentenceTransformers
from llm_engineering.infrastructure.embedders.spacy import Spacy

EmbedderSpec = Annotated[SentenceTransformers | Hashing | OpenAIEmbeddings | Spacy, Field(discriminator="kind")]

__all__ = ["EmbedderSpec", "Hashing", "OpenAIEmbeddings", "SentenceTransformers", "Spacy"]

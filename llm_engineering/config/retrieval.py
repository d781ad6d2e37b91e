"""Section `retrieval`: how passages are found, with the models that reorder them."""

from pydantic import Field

from llm_engineering.application.retrieval import Retrieval
from llm_engineering.infrastructure.rerankers import RerankerSpec


class RetrievalSection(Retrieval):
    """How passages are found. What is null is left out."""

    rerank: RerankerSpec | None = Field(None, description="a model that reads question and candidates together")

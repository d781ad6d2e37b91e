"""Section `retrieval`: how passages are found, with the models that reorder them."""

from pydantic import Field

from llm_engineering.application.retrieval import Retrieval
from llm_engineering.infrastructure.rerankers import RerankerSpec


class RetrievalSection(Retrieval):
    """How passages are found. What is null is left out."""

    registered: str = Field(
        "",
        pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,62})?$",
        description="name in the registry of tuned settings: what its version in production says replaces what is said "
        "here, as soon as there is one",
    )
    rerank: RerankerSpec | None = Field(None, description="a model that reads question and candidates together")

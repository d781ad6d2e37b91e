"""Fine-tune a cross-encoder that reranks."""

from typing import Literal

from pydantic import Field

from llm_engineering.domain.value import Value


class RerankerTrainer(Value):
    """Fine-tune a cross-encoder that reranks."""

    kind: Literal["reranker"] = "reranker"
    seed: int = Field(0, ge=0)

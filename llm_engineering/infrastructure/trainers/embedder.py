"""Fine-tune an embedder."""

from typing import Literal

from pydantic import Field

from llm_engineering.domain.value import Value


class EmbedderTrainer(Value):
    """Fine-tune an embedder."""

    kind: Literal["embedder"] = "embedder"
    seed: int = Field(0, ge=0)

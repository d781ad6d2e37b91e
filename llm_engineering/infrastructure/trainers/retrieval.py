"""Tune the settings of the search by successive halving."""

from typing import Literal

from pydantic import Field

from llm_engineering.domain.value import Value


class RetrievalTuner(Value):
    """Tune the settings of the search by successive halving."""

    kind: Literal["retrieval"] = "retrieval"
    seed: int = Field(0, ge=0)

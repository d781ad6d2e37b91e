"""Rerankers: models that read a query and a passage together. Each kind is a light spec with `open` above its adapter.

A new kind is one file, its name in this union, and one line in the contract test.
"""

from typing import Annotated

from pydantic import Field

from llm_engineering.infrastructure.rerankers.cross_encoder import CrossEncoder
from llm_engineering.infrastructure.rerankers.late_interaction import LateInteraction

RerankerSpec = Annotated[CrossEncoder | LateInteraction, Field(discriminator="kind")]

__all__ = ["CrossEncoder", "LateInteraction", "RerankerSpec"]

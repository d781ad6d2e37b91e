"""Language models. A new one is a file here, a line in the union below and one in the contract test."""

from typing import Annotated

from pydantic import Field

from llm_engineering.infrastructure.llms.scripted import Scripted

LlmSpec = Annotated[Scripted, Field()]

__all__ = ["LlmSpec", "Scripted"]

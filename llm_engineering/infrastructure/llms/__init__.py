"""Language models. A new one is a file here, a line in the union below and one in the contract test."""

from typing import Annotated

from pydantic import Field

from llm_engineering.infrastructure.llms.anthropic import Anthropic
from llm_engineering.infrastructure.llms.bedrock import Bedrock
from llm_engineering.infrastructure.llms.hugging_face import HuggingFace
from llm_engineering.infrastructure.llms.openai import OpenAI
from llm_engineering.infrastructure.llms.replay import Replay
from llm_engineering.infrastructure.llms.scripted import Scripted
from llm_engineering.infrastructure.llms.settings import Budget, CallLimits, Price

LlmSpec = Annotated[
    OpenAI | Anthropic | Bedrock | HuggingFace | Replay | Scripted,
    Field(discriminator="kind"),
]

__all__ = [
    "Anthropic",
    "Bedrock",
    "Budget",
    "CallLimits",
    "HuggingFace",
    "LlmSpec",
    "OpenAI",
    "Price",
    "Replay",
    "Scripted",
]

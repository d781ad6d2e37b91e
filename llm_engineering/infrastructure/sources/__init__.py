"""Where documents come from. Each kind is a light spec with `open(context)` above its adapter, in one file.

A new kind is one file, its name in this union, and one line in the contract test (docs/how-to-add/source.md).
"""

from typing import Annotated

from pydantic import Field

from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.files import Files
from llm_engineering.infrastructure.sources.git import Git
from llm_engineering.infrastructure.sources.json_endpoint import JsonEndpoint
from llm_engineering.infrastructure.sources.memory import Memory
from llm_engineering.infrastructure.sources.web import Web

SourceSpec = Annotated[Files | Git | JsonEndpoint | Web | Memory, Field(discriminator="kind")]

__all__ = ["Files", "Git", "JsonEndpoint", "Memory", "SourceContext", "SourceSpec", "Web"]

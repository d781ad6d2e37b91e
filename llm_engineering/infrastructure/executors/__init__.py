"""Executors: where the work inside the steps is done. A new one is a file here and a name in the union below."""

import sys
from typing import Annotated

from pydantic import Field

from llm_engineering.infrastructure.executors.local import Local
from llm_engineering.infrastructure.executors.ray import Ray

ExecutorSpec = Annotated[Local | Ray, Field(discriminator="kind")]

__all__ = ["ExecutorSpec", "Local", "Ray", "release"]


def release() -> None:
    """Let go of the clusters that this process is connected to."""
    if (module := sys.modules.get("llm_engineering.infrastructure.executors.ray_session")) is not None:
        module.release()

"""Trackers: where experiments are watched. A new one is a file here and a line in the union."""

from typing import Annotated

from pydantic import Field

from llm_engineering.infrastructure.trackers.comet import Comet
from llm_engineering.infrastructure.trackers.mlflow import Mlflow

TrackerSpec = Annotated[Mlflow | Comet, Field(discriminator="kind")]

__all__ = ["Comet", "Mlflow", "TrackerSpec"]

"""Trackers: where experiments are watched. A new one is a file here, a line in the union and one in the contract test.

An adapter only speaks to its library. `background` keeps it away from the training: what it does not do in time, or
cannot do, is left out and said in the log, once.
"""

from typing import Annotated

from pydantic import Field

from llm_engineering.infrastructure.trackers.comet import Comet
from llm_engineering.infrastructure.trackers.mlflow import Mlflow

TrackerSpec = Annotated[Mlflow | Comet, Field(discriminator="kind")]

__all__ = ["Comet", "Mlflow", "TrackerSpec"]

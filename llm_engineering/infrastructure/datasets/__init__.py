"""Where data sets for training are kept."""

from llm_engineering.infrastructure.datasets.files import DatasetFiles

__all__ = ["DatasetFiles"]

"""What the training pipelines are made of: where data sets, evaluations and models are kept."""

from llm_engineering.bootstrap.workspace import Workspace
from llm_engineering.infrastructure.datasets import DatasetFiles


def open_datasets(workspace: Workspace) -> DatasetFiles:
    """Return the store of data sets of a home."""
    return DatasetFiles(workspace.home)

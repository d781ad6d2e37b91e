"""What the training pipelines are made of: where data sets, evaluations and models are kept."""

from llm_engineering.bootstrap.workspace import Workspace
from llm_engineering.infrastructure.datasets import DatasetFiles
from llm_engineering.infrastructure.registries import FileRegistry


def open_datasets(workspace: Workspace) -> DatasetFiles:
    """Return the store of data sets of a home."""
    return DatasetFiles(workspace.home)


def open_registry(workspace: Workspace) -> FileRegistry:
    """Return the registry of models of a home."""
    return FileRegistry(workspace.home)

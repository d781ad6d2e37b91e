"""What training is made of: the registry of models."""

from llm_engineering.bootstrap.workspace import Workspace
from llm_engineering.infrastructure.registries import FileRegistry


def open_registry(workspace: Workspace) -> FileRegistry:
    """Return the registry of models of a home."""
    return FileRegistry(workspace.home)
